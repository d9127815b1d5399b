/*
 * Takes away the instances of users who have nothing left on the machine. Who is dead is found in one pass; then the locks of
 * all of them are taken, and a second pass is believed: no session can open meanwhile. Renamed aside under the locks, deleted
 * after, up to the time budget; what remains is found by the next run.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import type { Names, Rule } from '../config/index.js'
import { ensureRunDirectories, RUN_DIRECTORY } from '../ns/rundir.js'
import { openSafe } from '../ns/safepath.js'
import { readRecords, removeUnfinishedRecords } from '../session/registry.js'
import { bootId, monotonicMs, sinceBootMs } from '../sys/clock.js'
import { messageOf } from '../sys/errors.js'
import { Look } from './alive.js'
import { hasEnded, sweepEndedOf } from './ended.js'
import { type Aside, removeAside, setAside } from './instance.js'
import { type FoundInstance, type Leftover, type SessionDirectory, takeInventory } from './instances.js'
import { Locks } from './locks.js'
import { findOrphans } from './orphans.js'
import { scanProcesses } from './processes.js'

export interface ReapOptions {
  rules: readonly Rule[]
  names: Names
  /** How long a user must have been gone. */
  idleMs: number
  /** Deletion stops then. */
  budgetMs: number
  dryRun: boolean
}

export interface Reaped {
  /** Taken away; with `dryRun`, what would be. */
  removed: { path: string; user: string | null }[]
  kept: { path: string; user: string | null; why: string }[]
  /** What could not be deleted, and why. */
  left: { path: string; why: string }[]
  /** Files and directories deleted. */
  entries: number
  /** False: the budget was reached, and the next run goes on. */
  complete: boolean
}

/** Called in the host's namespace. @throws {UnsafePathError} an instance parent is not root's alone */
export function reap(options: ReapOptions): Reaped {
  const deadline = monotonicMs() + options.budgetMs
  const reaped: Reaped = { removed: [], kept: [], left: [], entries: 0, complete: true }
  if (!options.dryRun) {
    ensureRunDirectories()
    removeUnfinishedRecords()
    sweepAllEnded(deadline, reaped)
  }
  const { instances, leftovers, unknown, ofSessions } = takeInventory(options.rules, options.names)
  const orphans = findOrphans(ofSessions)
  const kept = unknown.filter(({ path }) => !orphans.some(({ instance }) => instance === path))
  reaped.kept.push(...kept.map(({ path, why }) => ({ path, user: null, why })))
  const gone = idleLongEnough(findGone(instances, reaped), options, reaped)
  if (options.dryRun) {
    reaped.removed.push(...gone.map(({ instance, user }) => ({ path: instance, user })))
    reaped.removed.push(...orphans.map(({ instance }) => ({ path: instance, user: null })))
    reaped.removed.push(...leftovers.map(({ parent, name }) => ({ path: `${parent}/${name}`, user: null })))
    return reaped
  }
  const asides = [...takeAway(gone, reaped), ...takeOrphans(orphans, reaped)]
  deleteAll([...asides, ...leftovers], deadline, reaped)
  return reaped
}

const USERS_AT_ONCE = 256

function sweepAllEnded(deadline: number, reaped: Reaped): void {
  const uids = [
    ...new Set(
      readRecords()
        .filter(hasEnded)
        .map((record) => record.uid),
    ),
  ]
  // Each sweep looks at all processes once; its users wait for each other's directories, and it has some descriptors for each.
  for (let i = 0; i < uids.length; i += USERS_AT_ONCE) {
    const budgetMs = Math.max(deadline - monotonicMs(), 0)
    // One login that hangs must not keep us from all the others.
    const options = { patienceMs: 0, budgetMs, waitForLock: false }
    const { removed, left } = sweepEndedOf(uids.slice(i, i + USERS_AT_ONCE), [process.pid], options)
    reaped.removed.push(...removed.map((path) => ({ path, user: null })))
    reaped.left.push(...left)
  }
}

/** One pass over all processes. */
function findGone(instances: readonly FoundInstance[], reaped: Reaped): FoundInstance[] {
  const paths = instances.map(({ instance }) => instance)
  const look = new Look(scanProcesses(new Set([process.pid])), paths)
  const ofUser = new Map<string, string[]>()
  for (const { user, instance } of instances) ofUser.set(user, [...(ofUser.get(user) ?? []), instance])
  const verdicts = new Map<string, string | null>()
  return instances.filter((found) => {
    if (!verdicts.has(found.user))
      verdicts.set(found.user, look.whyAlive(found, ofUser.get(found.user) ?? []) ?? look.whyForJobs(found))
    const why = verdicts.get(found.user) ?? null
    if (why !== null)
      reaped.kept.push({ path: found.instance, user: found.user, why: `${found.user} ${why}` })
    return why === null
  })
}

/** Locks every user concerned, looks again, and renames aside what is still nobody's. */
function takeAway(gone: readonly FoundInstance[], reaped: Reaped): Leftover[] {
  using locks = new Locks()
  const locked = gone.filter(({ instance, uid, user }) => {
    const why = locks.take(uid)
    if (why !== null) reaped.kept.push({ path: instance, user, why })
    return why === null
  })
  const still = locked.length === 0 ? [] : findGone(locked, reaped)
  return still.flatMap((found) => put(found.instance, found.user, () => setAside(found), reaped))
}

/** Looks again under the users' locks: session ids come again after a boot, and one may be about to begin in there. */
function takeOrphans(orphans: readonly SessionDirectory[], reaped: Reaped): Leftover[] {
  using locks = new Locks()
  const still = findOrphans(orphans.filter(({ uid }) => uid === null || locks.take(uid) === null))
  return still.flatMap((found) => put(found.instance, null, () => setAside(found), reaped))
}

/** Notes what became of one. Its parent is opened again for the deletion: there may be more of them than descriptors. */
function put(path: string, user: string | null, setAside: () => Aside | null, reaped: Reaped): Leftover[] {
  try {
    const aside = setAside()
    if (aside === null) return []
    using held = aside
    reaped.removed.push({ path, user })
    return [{ parent: held.parent.label, name: held.name }]
  } catch (error) {
    reaped.left.push({ path, why: messageOf(error) })
    return []
  }
}

function deleteAll(all: readonly Leftover[], deadline: number, reaped: Reaped): void {
  for (const { parent, name } of all) {
    using dir = openSafe(parent)
    const { left, complete, removed } = removeAside({ parent: dir, name }, deadline)
    reaped.entries += removed
    reaped.left.push(...left.map(({ path, code }) => ({ path, why: code })))
    reaped.complete &&= complete
  }
}

const IDLE_FILE = `${RUN_DIRECTORY}/idle.json`

interface Idle {
  boot: string
  /** By the path of the instance, in milliseconds since that boot. */
  since: Record<string, number>
}

/** Remembers since when each has been gone, and lets those through for whom it is long enough. */
function idleLongEnough(
  gone: readonly FoundInstance[],
  { idleMs, dryRun }: ReapOptions,
  reaped: Reaped,
): FoundInstance[] {
  if (idleMs === 0) return [...gone]
  const before = readIdle()
  const now = sinceBootMs()
  const since = new Map(gone.map(({ instance }) => [instance, Math.min(before.get(instance) ?? now, now)]))
  const problem = dryRun ? null : writeIdle(since)
  if (problem !== null) reaped.left.push({ path: IDLE_FILE, why: problem })
  return gone.filter(({ instance, user }) => {
    const gone = now - (since.get(instance) ?? now)
    if (gone >= idleMs) return true
    const minutes = Math.round(gone / 60_000)
    reaped.kept.push({
      path: instance,
      user,
      why: `${user} has been gone for ${minutes} of ${idleMs / 60_000} minutes`,
    })
    return false
  })
}

function readIdle(): Map<string, number> {
  try {
    const { boot, since } = JSON.parse(readFileSync(IDLE_FILE, 'utf8')) as Partial<Idle>
    const entries = boot === bootId() ? Object.entries(since ?? {}) : []
    return new Map(entries.filter(([, ms]) => typeof ms === 'number'))
  } catch {
    return new Map() // none yet, or of no use: everybody has just gone
  }
}

/** @returns why it is not remembered: a full /run must not keep from being taken away what was gone long before */
function writeIdle(since: ReadonlyMap<string, number>): string | null {
  const aside = `${IDLE_FILE}.${process.pid}`
  const idle: Idle = { boot: bootId(), since: Object.fromEntries(since) }
  try {
    writeFileSync(aside, JSON.stringify(idle), { mode: 0o600 })
    renameSync(aside, IDLE_FILE)
    return null
  } catch (error) {
    rmSync(aside, { force: true })
    return messageOf(error)
  }
}
