/* /run/polyns: what polyns remembers until the next boot. Only root may write there, only root may look into most of it. */
import { chmodSync, mkdirSync } from 'node:fs'
import { ignoring } from '../sys/call.js'
import { UnsafePathError } from '../sys/errors.js'
import type { Fd } from '../sys/fd.js'
import { O, RESOLVE } from '../sys/flags.js'
import { openat2 } from '../sys/path.js'
import { statx } from '../sys/stat.js'
import { octal } from './instance.js'
import { MARK_DIRECTORY } from './marker.js'

export const RUN_DIRECTORY = '/run/polyns'
export const SESSIONS_DIRECTORY = `${RUN_DIRECTORY}/sessions`
export const LOCK_DIRECTORY = `${RUN_DIRECTORY}/lock`
export const JOBS_DIRECTORY = `${RUN_DIRECTORY}/jobs`

const DIRECTORIES: readonly [path: string, mode: number][] = [
  [RUN_DIRECTORY, 0o755],
  [SESSIONS_DIRECTORY, 0o700],
  [LOCK_DIRECTORY, 0o700],
  [JOBS_DIRECTORY, 0o700],
  [MARK_DIRECTORY, 0o755],
]

/**
 * Makes what is missing of it. `polyns setup` does so at boot; the first session does it where there was none.
 * @throws {UnsafePathError} one of them is not root's, or others can write to it
 * @throws {Error} ENOSPC, EROFS
 */
export function ensureRunDirectories(): void {
  for (const [path, mode] of DIRECTORIES) {
    using dir = ignoring(['ENOENT'], 'it is made', () => open(path)) ?? make(path, mode)
    const stat = statx(dir)
    if (stat.uid !== 0 || (stat.mode & 0o022) !== 0) {
      throw new UnsafePathError(
        path,
        `must be root's alone (uid ${stat.uid}, mode ${octal(stat.mode)}); remove it`,
      )
    }
  }
}

const open = (path: string): Fd =>
  openat2(null, path, O.O_PATH | O.O_DIRECTORY | O.O_NOFOLLOW, RESOLVE.RESOLVE_NO_SYMLINKS)

function make(path: string, mode: number): Fd {
  try {
    mkdirSync(path, { mode })
    chmodSync(path, mode) // whatever the umask of who runs 'polyns exec'
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  return open(path)
}
