/* /run/polyns: what polyns remembers until the next boot. Only root may write there, only root may look into most of it. */
import { chmodSync, mkdirSync } from 'node:fs'
import { basename } from 'node:path'
import { ignoring } from '../sys/call.js'
import { UnsafePathError } from '../sys/errors.js'
import { O, RESOLVE } from '../sys/flags.js'
import { openat2 } from '../sys/path.js'
import { type Stat, statx } from '../sys/stat.js'
import { octal } from './instance.js'
import { MARK_DIRECTORY } from './marker.js'

export const RUN_DIRECTORY = '/run/polyns'
export const SESSIONS_DIRECTORY = `${RUN_DIRECTORY}/sessions`
export const LOCK_DIRECTORY = `${RUN_DIRECTORY}/lock`
export const JOBS_DIRECTORY = `${RUN_DIRECTORY}/jobs`

const BELOW: readonly [path: string, mode: number][] = [
  [SESSIONS_DIRECTORY, 0o700],
  [LOCK_DIRECTORY, 0o700],
  [JOBS_DIRECTORY, 0o700],
  [MARK_DIRECTORY, 0o755],
]

/**
 * Makes what is missing of it. `polyns setup` does so at boot; the first session does it where there was none.
 * @throws {UnsafePathError} one of them is not root's, or no directory, or others can write to it
 * @throws {Error} ENOSPC, EROFS
 */
export function ensureRunDirectories(): void {
  const open = () =>
    openat2(null, RUN_DIRECTORY, O.O_PATH | O.O_DIRECTORY | O.O_NOFOLLOW, RESOLVE.RESOLVE_NO_SYMLINKS)
  using run = foundOrMade(RUN_DIRECTORY, 0o755, open)
  assertRoots(RUN_DIRECTORY, statx(run))
  for (const [path, mode] of BELOW) {
    const stat = foundOrMade(path, mode, () => statx(run, basename(path)))
    assertRoots(path, stat)
  }
}

function foundOrMade<T>(path: string, mode: number, look: () => T): T {
  const found = ignoring(['ENOENT'], 'it is made', look)
  if (found !== undefined) return found
  try {
    mkdirSync(path, { mode })
    chmodSync(path, mode) // whatever the umask of who runs 'polyns exec'
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  return look()
}

function assertRoots(path: string, { type, uid, mode }: Stat): void {
  if (type !== 'directory')
    throw new UnsafePathError(path, `must be a directory, but is a ${type}; remove it`)
  if (uid === 0 && (mode & 0o022) === 0) return
  throw new UnsafePathError(path, `must be root's alone (uid ${uid}, mode ${octal(mode)}); remove it`)
}
