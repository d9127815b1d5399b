/*
 * Opening a session: rules and request make a plan; base, then join or build, all in this process; record; and last the one
 * step that changes the application. Whatever throws before that step leaves the application as it was.
 */
import { appliesTo, type Config, type Rule } from '../config/index.js'
import { adopt, openWorkingDirectory, type WorkingDirectory, workingDirectoryOf } from '../ns/adopt.js'
import { type Base, enterBase } from '../ns/base.js'
import { buildNamespace, type SessionMount } from '../ns/build.js'
import { type Carried, placeAll, takeCarriedForJoin } from '../ns/carry.js'
import { enter, enterHost, ownNamespace } from '../ns/enter.js'
import { identityOf, joinNamespace, openLive } from '../ns/join.js'
import { makePlan, type Plan, type PlanOptions, planKey } from '../ns/plan.js'
import { ensureRunDirectories } from '../ns/rundir.js'
import type { Target } from '../ns/target.js'
import type { Fd } from '../sys/fd.js'
import { md5 } from '../sys/lazy.js'
import { requireCallsOfFilter } from '../sys/seccomp.js'
import { UndoStack } from '../sys/undo.js'
import { noteJob } from './jobs.js'
import { lockUser } from './lock.js'
import { isLive, readRecords, removeRecord, type SessionRecord, writeRecord } from './registry.js'
import type { Request } from './request.js'

/** What became of the session. */
export type Outcome = { kind: 'nothing'; why: string } | { kind: 'host'; why: string } | Session

interface Session {
  kind: 'built' | 'joined' | 'kept'
  mounts: SessionMount[]
  notes: string[]
  carried: Carried[]
}

/**
 * What the application is to see.
 * - `own`: what the rules give the user; where none applies, what it sees now
 * - `unmnt-remnt`: the same, but where no rule applies the host's view, never the requester's
 * - `unmnt-only`: only what rules give the user that do not concern the requester; else the host's view
 * - `global`: the host's own namespace, whoever the user is
 */
export type View = 'own' | 'unmnt-remnt' | 'unmnt-only' | 'global'

export interface OpenOptions {
  view: View
  /** What the options of the PAM line change in the plan. */
  plan?: PlanOptions
  /** How the finished namespace reaches the application: by adoption, or for `polyns exec` by nothing but a chdir. */
  commit: (target: Target, cwd: Fd | null) => void
}

/**
 * Opens a session for `request` and moves `target` into it.
 * @throws the four kinds of sys/errors.ts; then nothing is left behind and the session must be refused
 */
export function openSession(
  request: Request,
  target: Target,
  config: Config,
  options: OpenOptions = { view: 'own', commit: adopt },
): Outcome {
  const rules = rulesFor(options.view, config.rules, request)
  const plan = makePlan(rules, config.mode, request.who, md5, options.plan)
  const before = workingDirectoryOf(target)
  using _cwd = before.dir
  if (plan.steps.length === 0) return openWithoutPlan(request, target, before, options)

  requireCallsOfFilter()
  ensureRunDirectories()
  using _lock = lockUser(plan.uid)
  const live = liveRecords(plan.uid)
  using base = enterBase(target)
  const kept = base.applicationUid === plan.uid ? keepSession(target, plan, live) : null
  if (kept !== null) return kept

  using undo = new UndoStack()
  const joined = base.isHost && plan.joinable ? joinLive(plan, base, live) : null
  const session: Session = joined ?? { kind: 'built', ...buildNamespace(plan, undo) }
  const record = describe(request, target, plan, base, session.mounts)
  // A command that root runs in a job's directories is no step of it.
  if (request.who.jobId !== null && target.pid !== process.pid) noteJob(plan.uid, request.who.jobId)
  writeRecord(record)
  undo.push('remove the session record', () => removeRecord(record))
  using cwd = openWorkingDirectory(before, request.who)
  options.commit(target, cwd)
  undo.commit()
  // Not before: a session that is refused must have lost nothing.
  placeAll(session.carried, plan.uid, session.notes)
  return { ...session, notes: [...plan.notes, ...session.notes] }
}

function rulesFor(view: View, rules: readonly Rule[], request: Request): readonly Rule[] {
  if (view === 'global') return []
  if (view !== 'unmnt-only') return rules
  const requester = request.requester()
  return rules.filter((rule) => !appliesTo(rule, requester))
}

/**
 * No rule is for this session. Out of somebody's private namespace it is taken to the host's own, so that a daemon started
 * there and a mount made there are the host's; only a plain su or sudo leaves its user where the caller is.
 */
function openWithoutPlan(
  request: Request,
  target: Target,
  before: WorkingDirectory,
  { view, commit }: OpenOptions,
): Outcome {
  const why = view === 'global' ? 'the line says --global' : `no rule applies to ${request.who.user}`
  const isSwitch = request.ruser !== null && request.rhost === null
  if (view === 'own' && isSwitch) return { kind: 'nothing', why }
  using base = view === 'own' ? baseIfAny(target) : enterBase(target)
  if (base === null) return { kind: 'nothing', why }
  const isElsewhere = base.applicationUid !== null || (view === 'global' && !base.isHost)
  if (!isElsewhere) return { kind: 'nothing', why }
  if (!base.isHost) enterHost()
  using cwd = openWorkingDirectory(before, request.who)
  commit(target, cwd)
  return { kind: 'host', why }
}

/** Whom no rule concerns must be able to log in on a machine where polyns itself cannot work. */
function baseIfAny(target: Target): Base | null {
  try {
    return enterBase(target)
  } catch {
    return null
  }
}

/** The stack of `su -l` includes su's, so a line in both runs twice in one process: the second time nothing is to be done. */
function keepSession(target: Target, plan: Plan, live: readonly SessionRecord[]): Outcome | null {
  const record = live.find(
    ({ leader, plan: opened }) =>
      leader.pid === target.pid && leader.startTime === target.startTime && opened === planKey(plan),
  )
  if (record === undefined) return null
  using namespace = openLive(record.leader, record.namespace)
  return namespace === null ? null : { kind: 'kept', mounts: record.mounts, notes: [], carried: [] }
}

/** Enters the namespace of a live session with the same plan; null, back in the base, when there is none to enter. */
function joinLive(plan: Plan, base: Base, live: readonly SessionRecord[]): Session | null {
  const key = planKey(plan)
  for (const record of live) {
    if (!record.joinable || record.plan !== key) continue
    using namespace = openLive(record.leader, record.namespace)
    if (namespace === null) continue
    const notes: string[] = []
    const carried = takeCarriedForJoin(plan.steps, record.mounts, notes)
    if (joinNamespace(namespace, record.mounts))
      return { kind: 'joined', mounts: record.mounts, notes, carried }
    for (const held of carried) held[Symbol.dispose]()
    enter(base.namespace)
  }
  return null
}

function describe(
  request: Request,
  target: Target,
  plan: Plan,
  base: Base,
  mounts: SessionMount[],
): SessionRecord {
  using own = ownNamespace()
  return {
    version: 1,
    id: request.who.sessionId,
    user: request.who.user,
    uid: request.who.uid,
    service: request.service,
    tty: request.tty,
    rhost: request.rhost,
    job: plan.steps.some((step) => step.kind === 'bind' && step.name.includes('.job'))
      ? request.who.jobId
      : null,
    leader: { pid: target.pid, tid: target.tid, startTime: target.startTime },
    namespace: identityOf(own),
    plan: planKey(plan),
    joinable: plan.joinable && base.isHost,
    mounts,
    opened: new Date().toISOString(),
  }
}

/** The user's sessions whose leader lives; the records of the others are dropped. */
function liveRecords(uid: number): SessionRecord[] {
  return readRecords(uid).filter((record) => {
    if (isLive(record) && record.ended === undefined) return true
    // One with a directory of its own is left for the clean-up, which removes both.
    if (!record.mounts.some(({ fresh }) => fresh)) removeRecord(record)
    return false
  })
}
