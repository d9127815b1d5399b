/*
 * Closing a session. Its processes may live on, so nothing is unmounted and nothing of the user's is removed: that is for the
 * clean-up, once the last process is gone. Here the session only ceases to be one.
 */
import type { Target } from '../ns/target.js'
import { recordOfLeader, removeRecord } from './registry.js'

/** @returns whether there was a session of ours */
export function closeSession(target: Pick<Target, 'pid' | 'startTime'>): boolean {
  const record = recordOfLeader(target.pid, target.startTime)
  if (record === null) return false
  // A directory of the session's own is found again by its record, after the leader has ended.
  if (!record.mounts.some(({ fresh }) => fresh)) removeRecord(record)
  return true
}
