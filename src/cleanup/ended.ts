/*
 * What belonged to one session only (tmpdir, scope=session) goes when that session's last process has gone. Closing a session
 * does not end its processes, so this is asked of the namespaces that still hold the directory; what is in use stays, with
 * its record, for the next close or for `polyns reap`.
 */
import type { SessionMount } from '../ns/build.js'
import { enterHost } from '../ns/enter.js'
import { isLive, readRecords, removeRecord, type SessionRecord } from '../session/registry.js'
import { monotonicMs } from '../sys/clock.js'
import { messageOf } from '../sys/errors.js'
import { waitFor } from '../sys/sleep.js'
import { holdersOfEach } from './holders.js'
import { type Aside, removeAside, setAside } from './instance.js'
import { Locks } from './locks.js'
import { scanProcesses } from './processes.js'

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
  return sweepEndedOf([uid], besides, options)
}

/** The same of several users, with one look at the processes for all of them. */
export function sweepEndedOf(
  uids: readonly number[],
  besides: readonly number[],
  options: SweepOptions,
): Swept {
  const swept: Swept = { removed: [], left: [] }
  if (!recordsOf(uids).some(hasEnded)) return swept
  enterHost()
  let taken: Taken = { asides: [], left: [] }
  waitFor(options.patienceMs, POLL_MS, () => {
    taken = takeUnused(uids, besides, options)
    return taken.asides.length > 0 || !recordsOf(uids).some(hasEnded)
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

/** Under the users' locks, so that no session of theirs begins meanwhile: renames aside what nobody uses, and drops the records. */
function takeUnused(
  uids: readonly number[],
  besides: readonly number[],
  { waitForLock }: SweepOptions,
): Taken {
  const taken: Taken = { asides: [], left: [] }
  using locks = new Locks()
  if (waitForLock) for (const uid of uids) locks.wait(uid)
  const records = recordsOf(uids.filter((uid) => locks.take(uid) === null))
  const ended = new Set(records.filter(hasEnded))
  const live = records.filter((record) => !ended.has(record))
  const isInUse = useOf([...ended].flatMap(ownDirectories), live, besides)
  for (const record of ended) {
    const own = ownDirectories(record)
    if (own.some(isInUse)) continue
    // The record goes last: without it nobody would ever find what is still there.
    if (own.map((mount) => take(mount, taken)).every(Boolean)) removeRecord(record)
  }
  return taken
}

/** Most sessions have no directory of their own: then no process is looked at. */
function useOf(
  own: readonly OwnDirectory[],
  live: readonly SessionRecord[],
  besides: readonly number[],
): (mount: OwnDirectory) => boolean {
  if (own.length === 0) return () => false
  const ofLive = new Set(live.flatMap((record) => record.mounts.map(({ instance }) => instance)))
  const holders = holdersOfEach(
    own.map(({ instance }) => instance),
    scanProcesses(new Set(besides)),
  )
  return ({ instance }) => ofLive.has(instance) || holders.get(instance)?.length !== 0
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

/** Whether it is a session no more: closed, or its leader has ended. */
export function hasEnded(record: SessionRecord): boolean {
  return record.ended !== undefined || !isLive(record)
}

function recordsOf(uids: readonly number[]): SessionRecord[] {
  if (uids.length === 1) return readRecords(uids[0])
  const wanted = new Set(uids)
  return readRecords().filter(({ uid }) => wanted.has(uid))
}

type OwnDirectory = SessionMount & { instance: string }

function ownDirectories(record: SessionRecord): OwnDirectory[] {
  return record.mounts.filter((mount): mount is OwnDirectory => mount.fresh && mount.instance !== null)
}
