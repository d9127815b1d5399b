/* What `polyns list` and `polyns metrics` know of the machine. */
import type { Usage } from '../cleanup/usage.js'
import type { SessionRecord } from '../session/registry.js'

export interface SessionView {
  record: SessionRecord
  /** Whether its leader lives. Without one the record is there for a directory that goes when its last process has gone. */
  isLive: boolean
  ageMs: number
  /** In its namespace; null: not known. */
  processes: number | null
}

/** A directory that is somebody's private one, or was. */
export interface Holding {
  path: string
  /** Where its sessions see it; null: none has it. */
  polydir: string | null
  user: string | null
  uid: number | null
  job: string | null
  /**
   * - `in use`: an open session has it
   * - `ended`: it was one session's only, which is over; it goes with the last process
   * - `left`: for the next login of its user, or for `polyns reap`
   * - `leftover`: set aside to be deleted
   */
  kind: 'in use' | 'ended' | 'left' | 'leftover'
  /** null: not measured. */
  usage: Usage | null
}

export interface Machine {
  sessions: SessionView[]
  holdings: Holding[]
  /** What lies there and cannot be judged. */
  unknown: { path: string; why: string }[]
  /** What could not be looked at. */
  notes: string[]
  configuration: 'good' | 'last good' | 'broken'
  /** False: logins are refused. */
  areParentsSafe: boolean
}

/** Open: its leader lives, and nobody has closed it. */
export function isOpen({ isLive, record }: SessionView): boolean {
  return isLive && record.ended === undefined
}
