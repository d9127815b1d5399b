/*
 * The PAM stack of a service as libpam reads it, includes and all: each line in its order, with the place that it stands at
 * and the way that leads there. Pure: the text of a file comes from a function.
 *
 *   session  required             pam_exec.so  quiet seteuid /usr/sbin/polyns pam --fail-open
 *   -session [default=ignore ...] pam_exec.so  ...
 *   session  include|substack     FILE
 *   @include FILE
 */

export interface Place {
  file: string
  line: number
}

export interface PamEntry extends Place {
  /** Where it ends; beyond `line` only with backslashes. */
  lastLine: number
  type: string
  /** As written: `required`, `[success=1 default=ignore]`. */
  control: string
  /** Without its directory, as `pam_exec.so`; empty for a substack itself. */
  module: string
  args: readonly string[]
  /** How many substacks it is in. A jump or `done` does not leave its own. */
  level: number
  /** From the service's own file to this line: the lines that include, and last this one. */
  trail: readonly Place[]
  /** The words, as one line. */
  text: string
}

export interface PamStack {
  /** The service's own file, or that of `other`. */
  path: string
  entries: readonly PamEntry[]
}

export type ReadText = (path: string) => string | null

export const PAM_DIRECTORIES = ['/etc/pam.d', '/usr/lib/pam.d']

/** @returns null: PAM knows neither the service nor `other`. What `read` throws comes out here. */
export function readStack(service: string, read: ReadText): PamStack | null {
  // libpam takes the name in lower case.
  const names = isName(service) ? [service.toLowerCase(), 'other'] : ['other']
  for (const name of names) {
    const found = findFile(name, read)
    if (found !== null) return { path: found.path, entries: entriesOf(found, read, START) }
  }
  return null
}

/** The service's own stack, or null where it has none and gets that of `other`. */
export function readOwnStack(service: string, read: ReadText): PamStack | null {
  const found = isName(service) ? findFile(service.toLowerCase(), read) : null
  return found === null ? null : { path: found.path, entries: entriesOf(found, read, START) }
}

const isName = (service: string) => /^[\w.@+-]+$/.test(service) && !/^\.+$/.test(service)

interface StackFile {
  path: string
  text: string
}

/** The file that a service or an include names; null: there is none. */
export function findFile(name: string, read: ReadText): StackFile | null {
  const paths = name.startsWith('/') ? [name] : PAM_DIRECTORIES.map((directory) => `${directory}/${name}`)
  for (const path of paths) {
    const text = read(path)
    if (text !== null) return { path, text }
  }
  return null
}

interface Around {
  trail: readonly Place[]
  level: number
  /** An include takes only the lines of its own type. */
  only: string | null
}

const START: Around = { trail: [], level: 0, only: null }

function entriesOf(file: StackFile, read: ReadText, { trail, level, only }: Around): PamEntry[] {
  if (trail.some((place) => place.file === file.path)) return [] // files that include each other
  return logicalLines(file.text).flatMap(({ line, lastLine, words }) => {
    const way = [...trail, { file: file.path, line }]
    const [first = '', second = '', third = '', ...args] = words
    if (first === '@include') return include(second, read, { trail: way, level, only })
    const type = first.replace(/^-/, '').toLowerCase()
    if (only !== null && type !== only) return []
    const control = second.toLowerCase()
    if (control === 'include') return include(third, read, { trail: way, level, only: type })
    const place = { file: file.path, line, lastLine, type, control, level, trail: way, text: words.join(' ') }
    if (control === 'substack') {
      const inner = include(third, read, { trail: way, level: level + 1, only: type })
      return [{ ...place, module: '', args: [] }, ...inner]
    }
    return [{ ...place, module: baseName(third), args }]
  })
}

function include(name: string, read: ReadText, around: Around): PamEntry[] {
  const file = findFile(name, read)
  return file === null ? [] : entriesOf(file, read, around)
}

/** A backslash at its end joins a line with the next one; a word in square brackets may hold blanks. */
export function logicalLines(text: string): { line: number; lastLine: number; words: string[] }[] {
  const lines: { line: number; lastLine: number; words: string[] }[] = []
  let joined = ''
  let first = 0
  for (const [index, raw] of text.split('\n').entries()) {
    if (joined === '') first = index + 1
    const part = raw.replace(/#.*/, '')
    joined += part.replace(/\\$/, ' ')
    if (part.endsWith('\\')) continue
    const words = joined.match(/\[[^\]]*\]|\S+/g) ?? []
    if (words.length > 0) lines.push({ line: first, lastLine: index + 1, words: [...words] })
    joined = ''
  }
  return lines
}

export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}
