/*
 * Which line of a service's PAM stack calls polyns, and with which options: read as libpam reads it, includes and all. Pure
 * but for the function that reads a file.
 *
 *   session  required             pam_exec.so  quiet seteuid /usr/sbin/polyns pam --fail-open
 *   -session [default=ignore ...] pam_exec.so  ...
 *   session  include|substack     FILE
 *   @include FILE
 */
import { readFileSync } from 'node:fs'

export interface PamLine {
  file: string
  line: number
  /** What follows `polyns pam`. */
  args: string[]
}

/** `stack`: the service's own file, or `other`'s; null: PAM knows neither. `found`: the first line that calls polyns. */
export interface PamStack {
  stack: string | null
  found: PamLine | null
}

/** The line of a service, or in words why polyns is not called for it. Both are null where no service is known. */
export function pamLineOf(
  service: string | undefined,
  read: (path: string) => string | null = readIfThere,
): { pam: PamLine | null; silent: string | null } {
  if (service === undefined) return { pam: null, silent: null }
  const { stack, found } = findPamLine(service, read)
  if (found !== null) return { pam: found, silent: null }
  const why = stack === null ? `PAM has no stack for ${service}` : `${stack} does not call 'polyns pam'`
  return { pam: null, silent: why }
}

function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EISDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return null
    throw error
  }
}

const DIRECTORIES = ['/etc/pam.d', '/usr/lib/pam.d']

/** @param read the text of a file, or null where there is none; what it throws comes out here */
export function findPamLine(service: string, read: (path: string) => string | null): PamStack {
  const isName = /^[\w.@+-]+$/.test(service) && !/^\.+$/.test(service)
  // libpam takes the name in lower case.
  const names = isName ? [service.toLowerCase(), 'other'] : ['other']
  for (const name of names) {
    const found = open(name, read)
    if (found !== null) return { stack: found.path, found: search(found, read, new Set()) }
  }
  return { stack: null, found: null }
}

interface StackFile {
  path: string
  text: string
}

function open(name: string, read: (path: string) => string | null): StackFile | null {
  const paths = name.startsWith('/') ? [name] : DIRECTORIES.map((directory) => `${directory}/${name}`)
  for (const path of paths) {
    const text = read(path)
    if (text !== null) return { path, text }
  }
  return null
}

function search(file: StackFile, read: (path: string) => string | null, seen: Set<string>): PamLine | null {
  if (seen.has(file.path)) return null
  seen.add(file.path)
  for (const { line, words } of logicalLines(file.text)) {
    const included = includedBy(words)
    if (included !== null) {
      const inner = open(included, read)
      const found = inner === null ? null : search(inner, read, seen)
      if (found !== null) return found
      continue
    }
    const args = polynsArguments(words)
    if (args !== null) return { file: file.path, line, args }
  }
  return null
}

/** A backslash at its end joins a line with the next one; the number is that of the first. */
function logicalLines(text: string): { line: number; words: string[] }[] {
  const lines: { line: number; words: string[] }[] = []
  let joined = ''
  let first = 0
  for (const [index, raw] of text.split('\n').entries()) {
    if (joined === '') first = index + 1
    const part = raw.replace(/#.*/, '')
    joined += part.replace(/\\$/, ' ')
    if (part.endsWith('\\')) continue
    // A word in square brackets may hold blanks.
    const words = joined.match(/\[[^\]]*\]|\S+/g) ?? []
    if (words.length > 0) lines.push({ line: first, words: [...words] })
    joined = ''
  }
  return lines
}

function includedBy(words: readonly string[]): string | null {
  const [type, control, name] = words
  if (type === '@include') return control ?? null
  return isSession(type) && (control === 'include' || control === 'substack') ? (name ?? null) : null
}

function polynsArguments(words: readonly string[]): string[] | null {
  const [type, , module, ...args] = words
  if (!isSession(type) || baseName(module) !== 'pam_exec.so') return null
  const program = args.findIndex((word) => baseName(word) === 'polyns')
  return program >= 0 && args[program + 1] === 'pam' ? args.slice(program + 2) : null
}

function isSession(type: string | undefined): boolean {
  return type?.replace(/^-/, '').toLowerCase() === 'session'
}

function baseName(path: string | undefined): string | undefined {
  return path?.slice(path.lastIndexOf('/') + 1)
}
