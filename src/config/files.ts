/*
 * Which files make up the configuration, and their text. A file is opened first and judged through its
 * descriptor, so that what was judged is what is read; FIFOs and devices cannot hold up a login.
 *
 * Whoever can change these files is root at the next login. So each of them, and each directory that leads to
 * it, must belong to root and be closed to writing by others.
 */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  statSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import type { Source } from './parse.js'
import { printable, Reporter } from './problem.js'
import type { Mode, Problem } from './types.js'

/** A place where a configuration can be, and how it is read there. */
export interface Candidate {
  file: string
  mode: Mode
}

/** Without `--config`, the first of these that exists. */
export const DEFAULT_FILES: readonly Candidate[] = [
  { file: '/etc/polyns/namespace.conf', mode: 'strict' },
  { file: '/etc/security/namespace.conf', mode: 'compat' },
]

/**
 * Who may own what is read, besides root, and how grave anything else is; null when it does not matter.
 */
export type Ownership = { uid: number; severity: 'error' | 'warning' } | null

/** How a file is read and where the findings go. */
export interface Reading {
  mode: Mode
  ownership: Ownership
  problems: Problem[]
}

/**
 * The first candidate that exists, in whatever state: a file that is there but cannot be read, or a link that
 * leads nowhere, must not hand the decision to the next one. And those before it.
 */
export function chooseFile(candidates: readonly Candidate[]): {
  chosen: Candidate | null
  absent: Candidate[]
} {
  const absent: Candidate[] = []
  for (const candidate of candidates) {
    if (isThere(candidate.file)) return { chosen: candidate, absent }
    absent.push(candidate)
  }
  return { chosen: null, absent }
}

/** The main file and its directory's namespace.d/*.conf, in byte order of their names. */
export function readWithDropIns(main: string, reading: Reading): Source[] {
  const directory = join(dirname(main), 'namespace.d')
  const found = [readSource(main, reading)]
  const dropIns = listDropIns(directory, reading)
  for (const name of dropIns ?? []) found.push(readSource(join(directory, name), reading, 'drop-in'))
  const sources = found.filter((source) => source !== null)
  try {
    const files = sources.flatMap(({ file }) => [file, realpathSync.native(file)])
    const dropInDirectory = dropIns === null ? [] : [directory, realpathSync.native(directory)]
    judgeDirectories(new Set([...files.map((file) => dirname(file)), ...dropInDirectory]), reading)
  } catch (error) {
    unreadable(main, error, reading)
  }
  return sources
}

/** One file. @returns null when it cannot be read, or is a directory among the drop-ins. */
export function readSource(
  file: string,
  reading: Reading,
  kind: 'named' | 'drop-in' = 'named',
): Source | null {
  const reporter = new Reporter(reading.mode, { file, line: 0, text: null }, reading.problems)
  let fd: number | null = null
  try {
    fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
    const stat = fstatSync(fd)
    if (stat.isDirectory() && kind === 'drop-in') {
      reporter.report('directory-ignored', 0, 'this is a directory', { compat: 'it is passed over' })
      return null
    }
    if (!stat.isFile()) {
      reporter.report('unreadable-file', 0, `cannot read ${printable(file)}: it is no regular file`)
      return null
    }
    judgeOwner(file, stat, reading)
    return { file, text: readFileSync(fd, 'utf8') }
  } catch (error) {
    unreadable(file, error, reading)
    return null
  } finally {
    if (fd !== null) closeSync(fd)
  }
}

/** @returns null when there is no such directory, or it cannot be read. */
function listDropIns(directory: string, reading: Reading): string[] | null {
  try {
    // As bytes: an order by UTF-16 units differs for characters beyond the first 65536.
    const names = readdirSync(directory, { encoding: 'buffer' }).sort(Buffer.compare)
    return names
      .map((name) => name.toString())
      .filter((name) => name.endsWith('.conf') && !name.startsWith('.'))
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null
    unreadable(directory, error, reading)
    return null
  }
}

/** Those that hold the files, by their paths as they are written and as they really are, and those above them. */
function judgeDirectories(holders: ReadonlySet<string>, reading: Reading) {
  for (const directory of new Set([...holders, ...[...holders].flatMap(ancestors)])) {
    const { uid, mode } = statSync(directory)
    // In a sticky directory nobody can rename what is not his own. That will do further up, but where the files
    // are, it would let others add one.
    const isSafelySticky = (mode & 0o1000) !== 0 && !holders.has(directory)
    judgeOwner(directory, { uid, mode: isSafelySticky ? mode & ~0o022 : mode }, reading)
  }
}

function judgeOwner(path: string, stat: { uid: number; mode: number }, { ownership, problems }: Reading) {
  if (ownership === null) return
  const isOwned = stat.uid === ownership.uid || stat.uid === 0
  if (isOwned && (stat.mode & 0o022) === 0) return
  const message = isOwned
    ? `others than its owner can write to ${printable(path)} (mode 0${(stat.mode & 0o7777).toString(8)})`
    : `${printable(path)} belongs to uid ${stat.uid}, who could change the configuration`
  problems.push({
    file: path,
    line: 0,
    column: 0,
    severity: ownership.severity,
    code: 'unsafe-file',
    message,
    text: null,
    allowed: 'files and directories that only root can change: chown root, chmod go-w',
  })
}

/** One that was among the last good ones, and is not there now. */
export function vanished(file: string): Problem {
  return {
    file,
    line: 0,
    column: 0,
    severity: 'error',
    code: 'unreadable-file',
    message: `${printable(file)} is not there any more; if that is meant, 'polyns check' as root says so`,
    text: null,
    allowed: null,
  }
}

function unreadable(path: string, error: unknown, { mode, problems }: Reading) {
  const reporter = new Reporter(mode, { file: path, line: 0, text: null }, problems)
  reporter.report('unreadable-file', 0, `cannot read ${printable(path)}: ${errnoOf(error)}`)
}

function ancestors(path: string): string[] {
  const parent = dirname(path)
  return parent === path ? [] : [parent, ...ancestors(parent)]
}

function isThere(file: string): boolean {
  try {
    lstatSync(file)
    return true
  } catch (error) {
    return errnoOf(error) !== 'ENOENT'
  }
}

/** The errno of a failed call, by name. Anything else that was thrown is a defect and goes on. */
function errnoOf(error: unknown): string {
  if (error instanceof Error && 'code' in error) return String(error.code)
  throw error
}
