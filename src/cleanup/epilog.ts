/*
 * The end of a SLURM job on this node. What was the job's own goes always; what is the user's goes when he has nothing left
 * here. Instances are renamed aside under his lock, so that a job of his that starts meanwhile gets fresh ones, and deleted
 * after; what the budget does not suffice for is left to the next reap.
 */
import type { Names, Rule } from '../config/index.js'
import { ensureRunDirectories } from '../ns/rundir.js'
import { forgetJob } from '../session/jobs.js'
import { lockUser } from '../session/lock.js'
import type { EndedJob } from '../slurm/epilog.js'
import { monotonicMs } from '../sys/clock.js'
import { messageOf } from '../sys/errors.js'
import { waitFor } from '../sys/sleep.js'
import { hasSession, Look, whyForJobs } from './alive.js'
import { sweepEnded } from './ended.js'
import { holdersOfEach } from './holders.js'
import { type Aside, removeAside, setAside } from './instance.js'
import { type FoundInstance, takeInventory } from './instances.js'
import { endProcesses, managerProcesses, stopManager } from './leftovers.js'
import { type Processes, scanProcesses } from './processes.js'

export interface EpilogOptions {
  rules: readonly Rule[]
  names: Names
  /** How long to wait for the last processes of the job. */
  waitMs: number
  /** How long the deletion may take. */
  budgetMs: number
  /** End what the user has left behind, when he has no session and no other job here. */
  kill: boolean
  /** A lingering `systemd --user` is no life: stop it. */
  stopUserManager: boolean
  dryRun: boolean
}

export interface EpilogResult {
  removed: string[]
  kept: { path: string; why: string }[]
  left: { path: string; why: string }[]
  /** Processes that were ended. */
  ended: number[]
  /** Files and directories deleted. */
  entries: number
  complete: boolean
}

const POLL_MS = 50

/** Called in the host's namespace. @throws {UnsafePathError} an instance parent is not root's alone: the node is unusable */
export function epilog(job: EndedJob, options: EpilogOptions): EpilogResult {
  const result: EpilogResult = { removed: [], kept: [], left: [], ended: [], entries: 0, complete: true }
  if (!options.dryRun) {
    forgetJob(job.uid, job.id)
    sweepSessions(job, options, result)
  }
  const { instances: his } = takeInventory(options.rules, namesOf(job, options.names))
  const ofJob = his.filter((found) => found.job === job.id)
  // Those of his other jobs are for their own epilogs.
  const ofUser = his.filter((found) => found.job === null)
  if (his.length === 0) return result
  // Not for what another job or a login of his keeps: that may take days, and the node is held until we are done.
  const isOver = () => whyStay(job, his, ofJob) === null || (hasSession(job) && !isInUse(ofJob, ourView()))
  if (options.waitMs > 0) waitFor(options.waitMs, POLL_MS, isOver)
  if (!options.dryRun) {
    // Not where he is logged in: then the manager is that session's.
    if (options.stopUserManager && whyStay(job, ofUser, [], { butManager: true }) === null) stopManager(job)
    if (options.kill && whyForJobs(job) === null) result.ended.push(...endProcesses(job))
  }
  const asides = options.dryRun ? plan(job, ofJob, ofUser, result) : takeAway(job, ofJob, ofUser, result)
  const deadline = monotonicMs() + options.budgetMs
  for (const aside of asides) {
    using held = aside
    const { left, complete, removed } = removeAside(held, deadline)
    result.entries += removed
    result.left.push(...left.map(({ path, code }) => ({ path, why: code })))
    result.complete &&= complete
  }
  return result
}

/** Each name in an instance parent is a question to the name service, and the node waits: all but his are nobody's here. */
function namesOf({ user }: EndedJob, names: Names): Names {
  return { ...names, userByName: (name) => (name === user ? names.userByName(name) : null) }
}

/** Slurm's last signals to a step may have ended the helper that was to close its session. */
function sweepSessions({ uid }: EndedJob, { budgetMs }: EpilogOptions, result: EpilogResult): void {
  ensureRunDirectories()
  const { removed, left } = sweepEnded(uid, [process.pid], { patienceMs: 0, budgetMs, waitForLock: true })
  result.removed.push(...removed)
  result.left.push(...left)
}

function plan(
  job: EndedJob,
  ofJob: readonly FoundInstance[],
  ofUser: readonly FoundInstance[],
  result: EpilogResult,
): Aside[] {
  const why = whyKeep(job, ofUser)
  result.removed.push(...[...ofJob, ...(why === null ? ofUser : [])].map(({ instance }) => instance))
  if (why !== null) result.kept.push(...ofUser.map(({ instance }) => ({ path: instance, why })))
  return []
}

function takeAway(
  job: EndedJob,
  ofJob: readonly FoundInstance[],
  ofUser: readonly FoundInstance[],
  result: EpilogResult,
): Aside[] {
  // Before the lock is taken, which a login of his would wait for: mostly this settles it.
  const early = whyKeep(job, ofUser)
  using _lock = lockUser(job.uid)
  const why = early ?? whyKeep(job, ofUser)
  if (why !== null) result.kept.push(...ofUser.map(({ instance }) => ({ path: instance, why })))
  return [...ofJob, ...(why === null ? ofUser : [])].flatMap((found) => {
    try {
      const aside = setAside(found)
      if (aside === null) return []
      result.removed.push(found.instance)
      return [aside]
    } catch (error) {
      result.left.push({ path: found.instance, why: messageOf(error) })
      return []
    }
  })
}

/**
 * Why the user's instances must stay, or those of the job are still in use; null: they need not, and are not.
 * @param options.butManager his systemd manager, and what it runs, does not count
 */
function whyStay(
  job: EndedJob,
  instances: readonly FoundInstance[],
  ofJob: readonly FoundInstance[],
  options = { butManager: false },
): string | null {
  const processes = ourView()
  const paths = instances.filter((found) => found.job === null).map(({ instance }) => instance)
  const ignored = options.butManager ? managerProcesses(job, processes) : new Set<number>()
  const why = new Look(processes, paths, job.uid).whyAlive(job, paths, ignored)
  return why ?? (isInUse(ofJob, processes) ? 'what is the job’s own is in use' : null)
}

/** Why the user's instances must stay, or null; also for a job of his that has no process at this moment. */
function whyKeep(job: EndedJob, ofUser: readonly FoundInstance[]): string | null {
  return whyStay(job, ofUser, []) ?? whyForJobs(job)
}

/** All that runs, but for ourselves and the script that calls us. */
const ourView = () => scanProcesses(new Set([process.pid, process.ppid]))

function isInUse(instances: readonly FoundInstance[], processes: Processes): boolean {
  const paths = instances.map(({ instance }) => instance)
  return paths.length > 0 && [...holdersOfEach(paths, processes).values()].some((pids) => pids.length > 0)
}
