/*
 * From lines to counters that last. /run/polyns/totals.json has the sums, and up to which byte of which file they go; both
 * change in one rename, so that a run that is killed anywhere counts nothing twice and loses nothing. A long tally is renamed
 * to tally.old and read on: a helper may have opened it before. It goes when nobody has written to it for ten minutes.
 */
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { LOCK_DIRECTORY, RUN_DIRECTORY } from '../ns/rundir.js'
import { messageOf, UnsupportedError } from '../sys/errors.js'
import type { Fd } from '../sys/fd.js'
import { LOCK, O, RESOLVE } from '../sys/flags.js'
import { flock, openIfThere } from '../sys/path.js'
import { waitFor } from '../sys/sleep.js'
import { TALLY, TALLY_LIMIT } from './tally.js'
import { type Counters, countLines } from './tally-counts.js'

const OLD = `${TALLY}.old`
const TOTALS = `${RUN_DIRECTORY}/totals.json`
const FORMAT = 1
const ROTATE_BYTES = 64 << 10
const QUIET_MS = 600_000
const WAIT_MS = 10_000
const POLL_MS = 5

export interface Fold {
  counters: Counters
  /** False: the tally had no room for more; some logins are not in the counters. */
  complete: boolean
  /** Why the sums could not be kept; they are right all the same, and the next run finds the lines again. */
  notKept: string | null
}

interface Totals {
  counters: Counters
  /** How far each file is in the counters, by its inode number. */
  read: Map<string, number>
}

/** Everything since the first login, or the boot where that empties /run. @throws {UnsupportedError} another run hangs */
export function foldTally(): Fold {
  using lock = lockTally()
  if (lock === null) return { counters: new Map(), complete: true, notKept: null } // nothing has happened yet
  const { counters, read } = readTotals()
  const next: Totals = { counters, read: new Map() }
  const old = take(OLD, next, read)
  const size = take(TALLY, next, read)?.size ?? 0
  const notKept = why(() => {
    writeTotals(next)
    if (old !== null && old.quietMs > QUIET_MS) {
      rmSync(OLD)
      next.read.delete(old.ino) // its number may be given to another file
      writeTotals(next)
    } else if (old === null && size > ROTATE_BYTES) renameSync(TALLY, OLD)
  })
  return { counters, complete: size < TALLY_LIMIT, notKept }
}

/** On the directory of the users' locks: nobody else locks that, and a full /run does not matter. */
function lockTally(): Fd | null {
  const flags = O.O_RDONLY | O.O_DIRECTORY | O.O_NOFOLLOW
  const file = openIfThere(null, LOCK_DIRECTORY, flags, RESOLVE.RESOLVE_NO_SYMLINKS)
  if (file === null) return null // nothing was opened yet
  if (waitFor(WAIT_MS, POLL_MS, () => flock(file, LOCK.LOCK_EX | LOCK.LOCK_NB))) return file
  file[Symbol.dispose]()
  throw new UnsupportedError(
    `the lock ${LOCK_DIRECTORY}`,
    `another 'polyns metrics' has held it for ${WAIT_MS / 1000} s`,
  )
}

/** Counts what a file has more than was counted of it. @returns null: there is no such file */
function take(
  path: string,
  { counters, read }: Totals,
  before: Totals['read'],
): { ino: string; size: number; quietMs: number } | null {
  const fd = openIfFile(path)
  if (fd === null) return null
  try {
    const { ino, size, mtimeMs, ctimeMs } = fstatSync(fd)
    const known = before.get(`${ino}`) ?? 0
    const from = known <= size ? known : 0 // shorter than it was: another file
    // Of a line that is being written there may be a part.
    const text = readFrom(fd, from)
    const whole = text.slice(0, text.lastIndexOf('\n') + 1)
    countLines(counters, whole)
    read.set(`${ino}`, from + whole.length)
    // By its amount: where the clock was set back since, it would be busy until that time comes again.
    return { ino: `${ino}`, size, quietMs: Math.abs(Date.now() - Math.max(mtimeMs, ctimeMs)) }
  } finally {
    closeSync(fd)
  }
}

/** Latin 1: one character is one byte, whatever is in there. */
function readFrom(fd: number, from: number): string {
  const chunks: string[] = []
  const buffer = Buffer.allocUnsafe(65_536)
  for (let at = from; ; ) {
    const length = readSync(fd, buffer, 0, buffer.length, at)
    if (length === 0) return chunks.join('')
    chunks.push(buffer.toString('latin1', 0, length))
    at += length
  }
}

function openIfFile(path: string): number | null {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
  let fd: number
  try {
    fd = openSync(path, flags)
  } catch {
    return null
  }
  const stat = fstatSync(fd)
  if (stat.isFile() && stat.uid === statSync(RUN_DIRECTORY).uid) return fd
  closeSync(fd)
  return null
}

/** Without the file, or when it is damaged, counting begins anew: a counter may start from 0, Prometheus knows that. */
function readTotals(): Totals {
  const fd = openIfFile(TOTALS)
  if (fd === null) return { counters: new Map(), read: new Map() }
  try {
    const { format, counters, read } = JSON.parse(readFileSync(fd, 'utf8')) as Record<string, unknown>
    if (format === FORMAT) return { counters: numbersOf(counters), read: numbersOf(read) }
  } catch {
    // not JSON
  } finally {
    closeSync(fd)
  }
  return { counters: new Map(), read: new Map() }
}

function numbersOf(value: unknown): Map<string, number> {
  const entries = Object.entries((value ?? {}) as Record<string, unknown>)
  return new Map(
    entries.filter((e): e is [string, number] => Number.isSafeInteger(e[1]) && (e[1] as number) >= 0),
  )
}

function writeTotals({ counters, read }: Totals): void {
  const aside = `${TOTALS}.new` // only one run at a time has the lock
  rmSync(aside, { force: true })
  const text = JSON.stringify({
    format: FORMAT,
    counters: Object.fromEntries(counters),
    read: Object.fromEntries(read),
  })
  try {
    writeFileSync(aside, text, { mode: 0o600, flag: 'wx' })
    renameSync(aside, TOTALS)
  } catch (error) {
    rmSync(aside, { force: true })
    throw error
  }
}

function why(fn: () => void): string | null {
  try {
    fn()
    return null
  } catch (error) {
    return messageOf(error)
  }
}
