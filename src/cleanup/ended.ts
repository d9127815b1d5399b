/*
 * What belonged to one session only (tmpdir, scope=session) goes when that session's last process has gone. Closing a session
 * does not end its processes, so this is asked of the namespaces that still hold the directory; what is in use stays, with
 * its record, for the next close or for `polyns reap`.
 */
import type { SessionMount } from '../ns/build.js'
import { enterHost } from '../ns/enter.js'
import { lockUser, tryLockUser } from '../session/lock.js'
import { isLive, readRecords, removeRecord, type SessionRecord } from '../session/registry.js'
import { monotonicMs } from '../sys/clock.js'
import { messageOf } from '../sys/errors.js'
import { waitFor } from '../sys/sleep.js'
import { type Aside, removeAside, setAside } from './instance.js'
import { holdersOf, type Processes, scanProcesses } from './processes.js'

/** sshd closes the session while its own child is still on the way out. */
const PATIENCE_MS = 1000
const POLL_MS = 20
const BUDGET_MS = 5000

/** What was done, for the log. */
export interface Swept {
  removed: string[]
  /** Path and reason. */
  left: { path: string; why: string }[]
}

export interface SweepOptions {
  /** How long to wait for the last processes. */
  patienceMs: number
  /** How long the deletion may take. */
  budgetMs: number
  /** False: leave it for the next time when a session of his is just being opened or closed. */
  waitForLock: boolean
}

const AT_CLOSE: SweepOptions = { patienceMs: PATIENCE_MS, budgetMs: BUDGET_MS, waitForLock: true }

/**
 * Removes the directories of the ended sessions of `uid`. Moves this process into the host's namespace.
 * @param besides the pids that do not count as use: the application that closes the session, and this process
 */
export function sweepEnded(uid: number, besides: readonly number[], options = AT_CLOSE): Swept {
  const swept: Swept = { removed: [], left: [] }
  if (endedRecords(uid).length === 0) return swept
  enterHost()
  let taken: Taken = { asides: [], left: [] }
  waitFor(options.patienceMs, POLL_MS, () => {
    taken = takeUnused(uid, besides, options)
    return taken.asides.length > 0 || endedRecords(uid).length === 0
  })
  swept.left.push(...taken.left)
  const deadline = monotonicMs() + options.budgetMs
  for (const { aside, path } of taken.asides) {
    using held = aside
    const { complete, left } = removeAside(held, deadline)
    if (complete && left.length === 0) swept.removed.push(path)
    else
      swept.left.push({
        path: `${held.parent.label}/${held.name}`,
        why: left[0]?.code ?? 'the time was over',
      })
  }
  return swept
}

interface Taken extends Pick<Swept, 'left'> {
  asides: { aside: Aside; path: string }[]
}

/** Under the user's lock, so that no session of his begins meanwhile: renames aside what nobody uses, and drops the records. */
function takeUnused(uid: number, besides: readonly number[], { waitForLock }: SweepOptions): Taken {
  const taken: Taken = { asides: [], left: [] }
  using lock = waitForLock ? lockUser(uid) : tryLockUser(uid)
  if (lock === null) return taken
  const live = readRecords(uid).filter((record) => isLive(record) && record.ended === undefined)
  const processes = scanProcesses(new Set(besides))
  for (const record of endedRecords(uid)) {
    const own = ownDirectories(record)
    if (own.some((mount) => isInUse(mount, live, processes))) continue
    // The record goes last: without it nobody would ever find what is still there.
    if (own.map((mount) => take(mount, taken)).every(Boolean)) removeRecord(record)
  }
  return taken
}

/** @returns whether it is out of the way */
function take(mount: OwnDirectory, { asides, left }: Taken): boolean {
  try {
    const aside = setAside(mount)
    if (aside !== null) asides.push({ aside, path: mount.instance })
    return true
  } catch (error) {
    left.push({ path: mount.instance, why: messageOf(error) })
    return false
  }
}

function endedRecords(uid: number): SessionRecord[] {
  return readRecords(uid).filter((record) => record.ended !== undefined || !isLive(record))
}

type OwnDirectory = SessionMount & { instance: string }

function ownDirectories(record: SessionRecord): OwnDirectory[] {
  return record.mounts.filter((mount): mount is OwnDirectory => mount.fresh && mount.instance !== null)
}

function isInUse(mount: OwnDirectory, live: readonly SessionRecord[], processes: Processes): boolean {
  return (
    live.some((record) => record.mounts.some(({ instance }) => instance === mount.instance)) ||
    holdersOf(mount.instance.slice(mount.instance.lastIndexOf('/') + 1), processes).length > 0
  )
}
