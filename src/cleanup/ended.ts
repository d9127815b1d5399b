/*
 * What belonged to one session only (tmpdir, scope=session) goes when that session's last process has gone. Closing a session
 * does not end its processes, so this is asked of the namespaces that still hold the directory; what is in use stays, with
 * its record, for the next close or for `polyns reap`.
 */
import type { SessionMount } from '../ns/build.js'
import { enterHost } from '../ns/enter.js'
import { lockUser } from '../session/lock.js'
import { isLive, readRecords, removeRecord, type SessionRecord } from '../session/registry.js'
import { waitFor } from '../sys/sleep.js'
import { type Aside, removeAside, setAside } from './instance.js'
import { holdersOf, scanProcesses } from './processes.js'

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

/**
 * Removes the directories of the ended sessions of `uid`. Moves this process into the host's namespace.
 * @param besides the pids that do not count as use: the application that closes the session, and this process
 */
export function sweepEnded(
  uid: number,
  besides: readonly number[],
  options = { patienceMs: PATIENCE_MS },
): Swept {
  const swept: Swept = { removed: [], left: [] }
  if (endedRecords(uid).length === 0) return swept
  enterHost()
  let asides: { aside: Aside; path: string }[] = []
  waitFor(options.patienceMs, POLL_MS, () => {
    asides = takeUnused(uid, besides, swept)
    return asides.length > 0 || endedRecords(uid).length === 0
  })
  const deadline = Date.now() + BUDGET_MS
  for (const { aside, path } of asides) {
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

/** Under the user's lock, so that no session of his begins meanwhile: renames aside what nobody uses, and drops the records. */
function takeUnused(uid: number, besides: readonly number[], swept: Swept): { aside: Aside; path: string }[] {
  using _lock = lockUser(uid)
  const live = readRecords(uid).filter((record) => isLive(record) && record.ended === undefined)
  return endedRecords(uid).flatMap((record) => {
    const own = ownDirectories(record)
    if (own.some((mount) => isInUse(mount, live, besides))) return []
    removeRecord(record)
    return own.flatMap((mount) => {
      try {
        const aside = setAside(mount)
        return aside === null ? [] : [{ aside, path: mount.instance }]
      } catch (error) {
        swept.left.push({ path: mount.instance, why: error instanceof Error ? error.message : String(error) })
        return []
      }
    })
  })
}

function endedRecords(uid: number): SessionRecord[] {
  return readRecords(uid).filter((record) => record.ended !== undefined || !isLive(record))
}

type OwnDirectory = SessionMount & { instance: string }

function ownDirectories(record: SessionRecord): OwnDirectory[] {
  return record.mounts.filter((mount): mount is OwnDirectory => mount.fresh && mount.instance !== null)
}

function isInUse(mount: OwnDirectory, live: readonly SessionRecord[], besides: readonly number[]): boolean {
  return (
    live.some((record) => record.mounts.some(({ instance }) => instance === mount.instance)) ||
    holdersOf(mount.instance.slice(mount.instance.lastIndexOf('/') + 1), scanProcesses(new Set(besides)))
      .length > 0
  )
}
