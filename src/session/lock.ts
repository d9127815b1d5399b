/* One lock a user: sessions of one user open one after the other, and never while that user's instance is taken away. */

import { LOCK_DIRECTORY } from '../ns/rundir.js'
import { UnsupportedError } from '../sys/errors.js'
import type { Fd } from '../sys/fd.js'
import { LOCK, O, RESOLVE } from '../sys/flags.js'
import { flock, openat2 } from '../sys/path.js'
import { waitFor } from '../sys/sleep.js'

const WAIT_MS = 30_000
const POLL_MS = 5

/**
 * flock(2) on /run/polyns/lock/UID, held until the result is disposed or this process ends.
 * @throws {UnsupportedError} after 30 s: the holder hangs
 */
export function lockUser(uid: number): Fd {
  const file = openLock(uid)
  if (waitFor(WAIT_MS, POLL_MS, () => flock(file, LOCK.LOCK_EX | LOCK.LOCK_NB))) return file
  file[Symbol.dispose]()
  const why = `another polyns has held it for ${WAIT_MS / 1000} s; 'fuser -v ${file.label}' names it`
  throw new UnsupportedError(`the lock ${file.label}`, why)
}

/** The same without waiting. @returns null when somebody else holds it */
export function tryLockUser(uid: number): Fd | null {
  const file = openLock(uid)
  if (flock(file, LOCK.LOCK_EX | LOCK.LOCK_NB)) return file
  file[Symbol.dispose]()
  return null
}

function openLock(uid: number): Fd {
  const path = `${LOCK_DIRECTORY}/${uid}`
  return openat2(null, path, O.O_RDWR | O.O_CREAT | O.O_NOFOLLOW, RESOLVE.RESOLVE_NO_SYMLINKS, 0o600)
}
