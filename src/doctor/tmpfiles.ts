/*
 * tmpfiles.d(5), as far as it decides whether `systemd-tmpfiles --clean` deletes what is old in a directory. Pure.
 *
 *   Type  Path  Mode  User  Group  Age  Argument
 *   q     /tmp  1777  root  root   10d
 *   x     /tmp/polyns-inst
 *
 * The clean-up goes down from each line with an age, and stops at whatever has a line of its own: mode 000 does not stop it.
 * A line `X` spares only the directory itself, and what is in it has the age of the line above (seen with systemd 252).
 */
import { confFiles, type ListNames, type ReadText } from './confd.js'

export interface TmpfilesLine {
  file: string
  line: number
  /** Without its modifiers. */
  type: string
  path: string
  /** Empty: nothing is deleted for its age. */
  age: string
}

export const TMPFILES_DIRECTORIES = [
  '/etc/tmpfiles.d',
  '/run/tmpfiles.d',
  '/usr/local/lib/tmpfiles.d',
  '/usr/lib/tmpfiles.d',
]

/** Types whose age counts, and those of them whose path is a pattern. */
const AGED = 'dDevqQCxX'
const PATTERNS = 'exXrRzZtThHaAw'
const SPECIFIERS: Readonly<Record<string, string>> = {
  '%%': '%',
  '%T': '/tmp',
  '%V': '/var/tmp',
  '%t': '/run',
  '%S': '/var/lib',
  '%C': '/var/cache',
  '%L': '/var/log',
}

/** All lines that count, in their order. */
export function readTmpfiles(list: ListNames, read: ReadText): TmpfilesLine[] {
  const lines = confFiles(TMPFILES_DIRECTORIES, list).flatMap((file) => parseTmpfiles(file, read(file) ?? ''))
  const seen = new Set<string>()
  // Of two lines that are not patterns the first has the path.
  return lines.filter(({ type, path }) => {
    if (isPattern(type)) return true
    const isFirst = !seen.has(path)
    seen.add(path)
    return isFirst
  })
}

/** Lines for the boot only, marked with `!`, are left out: the clean-up that comes each day does not know them. */
export function parseTmpfiles(file: string, text: string): TmpfilesLine[] {
  return text.split('\n').flatMap((raw, index) => {
    const fields = raw.trim().match(/"(?:[^"\\]|\\.)*"|'[^']*'|\S+/g) ?? []
    const [type = '', path = '', , , , age = '-'] = fields.map((field) =>
      field.replace(/^(["'])(.*)\1$/, '$2'),
    )
    if (type === '' || type.startsWith('#') || type.includes('!') || path === '') return []
    const expanded = path.replace(/%./g, (specifier) => SPECIFIERS[specifier] ?? specifier)
    const plain = expanded.replace(/\/+$/, '') || '/'
    const isAged = AGED.includes(type.charAt(0)) && age !== '-'
    return [{ file, line: index + 1, type: type.charAt(0), path: plain, age: isAged ? age : '' }]
  })
}

/** The line for whose age the files of users below `parent` are deleted; null: none. */
export function agingOf(parent: string, lines: readonly TmpfilesLine[]): TmpfilesLine | null {
  return lines.find((line) => line.age !== '' && line.type !== 'x' && reaches(line, parent, lines)) ?? null
}

/** A name that a user could have. */
const SOMEBODY = 'somebody'

function reaches(from: TmpfilesLine, parent: string, lines: readonly TmpfilesLine[]): boolean {
  const ways = prefixes(`${parent}/${SOMEBODY}`)
  const start = ways.findIndex((path) => covers(from, path))
  if (start < 0) return false
  return ways.slice(start + 1).every((path) => {
    const own = lines.filter((line) => covers(line, path))
    return own.every(({ type, age }) => type === 'X' && age === '')
  })
}

function covers({ type, path }: TmpfilesLine, what: string): boolean {
  return isPattern(type) ? globExpression(path).test(what) : path === what
}

function isPattern(type: string): boolean {
  return PATTERNS.includes(type)
}

/** fnmatch(3) with FNM_PATHNAME and FNM_PERIOD. A range that is none, `[z-a]`, matches nothing. */
function globExpression(pattern: string): RegExp {
  const source = pattern.replace(/\[!?[^\]]+\]|[*?]|[^*?]/g, (part, at: number) => {
    const isFirst = pattern[at - 1] === '/'
    if (part === '*') return isFirst ? '(?!\\.)[^/]*' : '[^/]*'
    if (part === '?') return isFirst ? '[^/.]' : '[^/]'
    if (part.length > 1) return part.replace(/^\[!/, '[^').replace(/\\/g, '\\\\')
    return part.replace(/[.+^${}()|[\]\\]/g, '\\$&')
  })
  try {
    return new RegExp(`^${source}$`)
  } catch {
    return /(?!)/
  }
}

/** `/a/b`: `/`, `/a` and `/a/b`. */
function prefixes(path: string): string[] {
  const names = path.split('/').filter(Boolean)
  return ['/', ...names.map((_, i) => `/${names.slice(0, i + 1).join('/')}`)]
}
