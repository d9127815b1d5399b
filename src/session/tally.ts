/*
 * What became of each login, one short line a time at the end of /run/polyns/tally: the helpers that know it are gone a
 * moment later. `polyns metrics` counts the lines (tally-fold.ts). Nobody waits for a lock here, and nothing that goes wrong
 * here matters to a login.
 */
import { constants, writeFileSync } from 'node:fs'
import { RUN_DIRECTORY } from '../ns/rundir.js'
import { RESOLVE } from '../sys/flags.js'
import { openat2 } from '../sys/path.js'
import { statx } from '../sys/stat.js'

export const TALLY = `${RUN_DIRECTORY}/tally`

/** Where nobody counts, it must not fill /run: from here on nothing is added. Some 300,000 logins. */
export const TALLY_LIMIT = 4 << 20

/** The words are what the file has; tally-counts.ts says which numbers follow. */
export type TallyKind =
  | 'built'
  | 'joined'
  | 'kept'
  | 'host'
  | 'nothing'
  | 'refused'
  | 'failopen'
  | 'closed'
  | 'closefailed'
  | 'reap'
  | 'epilog'

// O_NONBLOCK: should it be a fifo, nobody waits for a reader.
const FLAGS =
  constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK

/**
 * Adds `KIND NUMBER...`. One write(2) with O_APPEND, so that lines of many helpers at once stay lines. Never throws. Made of
 * calls that a login has made already: Node takes a tenth of a millisecond for the first fstat in a process.
 */
export function tally(kind: TallyKind, ...numbers: readonly number[]): void {
  try {
    using file = openat2(null, TALLY, FLAGS, RESOLVE.RESOLVE_NO_SYMLINKS, 0o600)
    const { type, size } = statx(file)
    if (type === 'file' && size < TALLY_LIMIT) writeFileSync(file.number, `${[kind, ...numbers].join(' ')}\n`)
  } catch {
    // A full or read-only /run, a limit on file sizes that su has from its caller: then this one is not counted.
  }
}

/** Microseconds since this process began, Node's own start included. */
export function microsSinceStart(): number {
  return Math.round(process.uptime() * 1e6)
}
