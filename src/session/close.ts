/*
 * Closing a session. Its processes may live on, so nothing is unmounted and nothing of the user's is removed: that is for the
 * clean-up, once the last process is gone. Here the session only ceases to be one.
 */
import type { Target } from '../ns/target.js'
import { SyscallError } from '../sys/errors.js'
import { isLastSession } from './hooks.js'
import { lockUser } from './lock.js'
import { recordOfLeader, removeRecord, type SessionRecord, writeRecord } from './registry.js'

export interface Closed {
  record: SessionRecord
  /** The user has no other open session. */
  isLast: boolean
}

/** @returns the session that `target` led, or null when it led none of ours, or has closed it */
export function closeSession(target: Pick<Target, 'pid' | 'startTime'>): Closed | null {
  const record = recordOfLeader(target.pid, target.startTime)
  if (record === null || record.ended !== undefined) return null
  using _lock = lockUser(record.uid)
  // A directory of the session's own is found by the record, after its last process has gone.
  if (record.mounts.some(({ fresh }) => fresh)) markEnded(record)
  else removeRecord(record)
  return { record, isLast: isLastSession(record) }
}

function markEnded(record: SessionRecord): void {
  try {
    writeRecord({ ...record, ended: new Date().toISOString() })
  } catch (error) {
    // On a full /run it stays as it is, and counts as ended when its leader has ended, which is about to.
    if (!(error instanceof SyscallError)) throw error
  }
}
