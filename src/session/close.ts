/*
 * Closing a session. Its processes may live on, so nothing is unmounted and nothing of the user's is removed: that is for the
 * clean-up, once the last process is gone. Here the session only ceases to be one.
 *
 * A close may be ended by SIGTERM until its hooks have run, and is then started again by the launcher. By a second name of the
 * record, .closing, it goes on with what it had begun.
 */
import { linkSync, unlinkSync } from 'node:fs'
import type { Target } from '../ns/target.js'
import { SyscallError } from '../sys/errors.js'
import { isLastSession } from './hooks.js'
import { lockUser } from './lock.js'
import { pathOf, recordOfLeader, removeRecord, type SessionRecord, writeRecord } from './registry.js'

/** A close that is under way. Once disposed of it is over, and is not gone on with. */
export interface Closed extends Disposable {
  record: SessionRecord
  /** The user has no other open session. */
  isLast: boolean
}

/** @returns the session that `target` led, or null when it led none of ours, or has closed it */
export function closeSession(target: Pick<Target, 'pid' | 'startTime'>): Closed | null {
  const found = recordOfLeader(target.pid, target.startTime)
  if (found === null || found.ended !== undefined) return resume(target)
  using _lock = lockUser(found.uid)
  nameAgain(() => linkSync(pathOf(found), pathOf(found, 'closing')))
  // A directory of the session's own is found by the record, after its last process has gone.
  if (found.mounts.some(({ fresh }) => fresh)) markEnded(found)
  else removeRecord(found)
  return closing(found)
}

function resume({ pid, startTime }: Pick<Target, 'pid' | 'startTime'>): Closed | null {
  const found = recordOfLeader(pid, startTime, 'closing')
  if (found === null) return null
  using _lock = lockUser(found.uid)
  return closing(found)
}

function closing(record: SessionRecord): Closed {
  return {
    record,
    isLast: isLastSession(record),
    [Symbol.dispose]: () => nameAgain(() => unlinkSync(pathOf(record, 'closing'))),
  }
}

/** Where it fails (a full /run; somebody who cleans up there) a close that is ended by a signal is not gone on with, no more. */
function nameAgain(change: () => void): void {
  try {
    change()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === undefined) throw error
  }
}

function markEnded(record: SessionRecord): void {
  try {
    writeRecord({ ...record, ended: new Date().toISOString() })
  } catch (error) {
    // On a full /run it stays as it is, and counts as ended when its leader has ended, which is about to.
    if (!(error instanceof SyscallError)) throw error
  }
}
