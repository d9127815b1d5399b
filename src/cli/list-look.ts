/*
 * What there is, for `polyns list` and `polyns metrics`: the sessions by their records, the namespaces by one pass over /proc,
 * the instances by the configuration and by what sessions name. Looks only. What cannot be looked at becomes a note: at three
 * in the morning a list with a hole is better than none.
 */
import { readdirSync } from 'node:fs'
import { takeInventory } from '../cleanup/instances.js'
import { UsageMeter } from '../cleanup/usage.js'
import { type Config, configForSession } from '../config/index.js'
import { enterHost, mountNamespaceOf, namespaceLink } from '../ns/enter.js'
import { identityOf } from '../ns/join.js'
import { openSafe } from '../ns/safepath.js'
import { isLive, readRecords, type SessionRecord } from '../session/registry.js'
import { systemNames } from '../session/request.js'
import type { Holding, Machine, SessionView } from './list-types.js'
import { describeError } from './report.js'

export interface LookOptions {
  config?: string | undefined
  /** How long sizes may take, in all. 0: no sizes. */
  budgetMs: number
}

export function lookAtMachine({ config: file, budgetMs }: LookOptions): Machine {
  const machine: Machine = {
    sessions: [],
    holdings: [],
    unknown: [],
    notes: [],
    configuration: 'good',
    areParentsSafe: true,
  }
  noting(machine, 'this is the view of the calling process: ', enterHost)
  machine.sessions.push(...lookAtSessions())
  const config = noting(machine, '', () => readConfig(file, machine))
  if (config === undefined) machine.configuration = 'broken'
  machine.holdings.push(...holdingsOf(machine.sessions))
  if (config !== undefined && !noting(machine, '', () => takeStock(config, machine)))
    machine.areParentsSafe = false
  if (budgetMs > 0) measureAll(machine.holdings, performance.now() + budgetMs)
  return machine
}

function noting<T>(machine: Machine, intent: string, fn: () => T): T | undefined {
  try {
    return fn()
  } catch (error) {
    machine.notes.push(`${intent}${describeError(error, { stack: false })}`)
    return undefined
  }
}

function readConfig(file: string | undefined, machine: Machine): Config {
  const { config, usedLastGood, brokenBecause } = configForSession({ names: systemNames, config: file })
  const [first] = brokenBecause
  if (usedLastGood) {
    machine.configuration = 'last good'
    machine.notes.push(
      `the configuration is broken, the last good one is used: ${first?.file}:${first?.line}:${first?.column}: ${first?.message}`,
    )
  }
  return config
}

function lookAtSessions(): SessionView[] {
  const records = readRecords().sort(
    (a, b) => compare(a.user, b.user) || compare(a.opened, b.opened) || a.leader.pid - b.leader.pid,
  )
  const count = records.length === 0 ? new Map<string, number>() : countByNamespace()
  return records.map((record) => ({
    record,
    isLive: isLive(record),
    ageMs: Math.max(0, Date.now() - Date.parse(record.opened)),
    processes: processesIn(record, count),
  }))
}

/** By code unit: the same everywhere, and not slow. */
const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)

function countByNamespace(): Map<string, number> {
  const count = new Map<string, number>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const link = namespaceLink(name)
    if (link !== null) count.set(link, (count.get(link) ?? 0) + 1)
  }
  return count
}

/** null: the leader has ended, or has gone to another namespace. */
function processesIn({ leader, namespace }: SessionRecord, count: Map<string, number>): number | null {
  try {
    using found = mountNamespaceOf(`/proc/${leader.pid}/task/${leader.tid}`)
    return identityOf(found) === namespace ? (count.get(`mnt:[${found.inode}]`) ?? 0) : null
  } catch {
    return null
  }
}

/** What the sessions have mounted; each directory once. */
function holdingsOf(sessions: readonly SessionView[]): Holding[] {
  const found = new Map<string, Holding>()
  for (const { record, isLive } of sessions) {
    for (const { polydir, instance, fresh } of record.mounts) {
      if (instance === null) continue
      const isHeld = isLive && record.ended === undefined
      const known = found.get(instance)
      if (known !== undefined) {
        if (isHeld) known.kind = 'in use'
        continue
      }
      if (!isHeld && !fresh) continue // if it is still there, the inventory has it
      const { user, uid, job } = record
      // Another directory of the session's is for all of the user's jobs.
      const isJobs = job !== null && instance.endsWith(`.job${job}`)
      found.set(instance, {
        path: instance,
        polydir,
        user,
        uid,
        job: isJobs ? job : null,
        kind: isHeld ? 'in use' : 'ended',
        usage: null,
      })
    }
  }
  return [...found.values()]
}

/** Adds what no session has. @throws {UnsafePathError} an instance parent is not root's alone */
function takeStock({ rules }: Config, machine: Machine): true {
  const { instances, leftovers, unknown } = takeInventory(rules, systemNames)
  const known = new Set(machine.holdings.map(({ path }) => path))
  for (const { instance, user, uid, job } of instances) {
    if (known.has(instance)) continue
    machine.holdings.push({ path: instance, polydir: null, user, uid, job, kind: 'left', usage: null })
  }
  for (const { parent, name } of leftovers) {
    machine.holdings.push({
      path: `${parent}/${name}`,
      polydir: null,
      user: null,
      uid: null,
      job: null,
      kind: 'leftover',
      usage: null,
    })
  }
  machine.unknown.push(...unknown.filter(({ path }) => !known.has(path)))
  return true
}

/** Each gets an equal share of what time is left, so that one with a million files does not hide the others. */
function measureAll(holdings: readonly Holding[], end: number): void {
  const meter = new UsageMeter()
  for (const [i, holding] of holdings.entries()) {
    const now = performance.now()
    const slash = holding.path.lastIndexOf('/')
    try {
      using parent = openSafe(holding.path.slice(0, slash))
      const share = Math.max(0, end - now) / (holdings.length - i)
      holding.usage = meter.measure(parent, holding.path.slice(slash + 1), now + share)
    } catch {
      holding.usage = null // it is gone, or somebody's who is not to be trusted
    }
  }
}
