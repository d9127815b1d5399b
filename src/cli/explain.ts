/*
 * polyns explain: what a login of this user would get, and why. It looks and changes nothing. Its exit status is the one that
 * the session's `polyns pam` would have. The JSON is a contract: its keys, their order and their types stay.
 */
import { resolve } from 'node:path'
import { configWithoutBadLines } from '../config/ignore-errors.js'
import {
  type Candidate,
  configForSession,
  type Names,
  type Problem,
  type SessionConfig,
} from '../config/index.js'
import {
  countsFor,
  type ExplainedLine,
  explainLines,
  notesOn,
  type Person,
  type Thing,
  thingsOf,
} from '../doctor/explain.js'
import { lookAround, sessionToJoin } from '../doctor/look.js'
import { type PamLine, pamLineOf } from '../doctor/pamline.js'
import { type ShellStep, shellSteps } from '../doctor/steps.js'
import { requireSelinux, whyNoContexts } from '../ns/context.js'
import { enterHost } from '../ns/enter.js'
import { markedUid } from '../ns/marker.js'
import { type ContextRequest, type InstanceContext, makePlan, type Plan, type Who } from '../ns/plan.js'
import type { SessionRecord } from '../session/registry.js'
import { SyscallError, UnsafePathError, UnsupportedError, UsageError } from '../sys/errors.js'
import { md5 } from '../sys/lazy.js'
import { printExplanation } from './explain-text.js'
import { type PamOptions, parsePamOptions } from './pam-options.js'
import { describeError, EXIT, exitStatusOf } from './report.js'

export interface ExplainOptions {
  user: string
  /** Who asks, for su and sudo. */
  ruser?: string | undefined
  /** Its PAM stack says with which options polyns is called, if at all. */
  service?: string | undefined
  job?: string | undefined
  /** `--config FILE`, as for a session. */
  config?: string | undefined
  json: boolean
}

/** The world around it. The optional ones are the machine's. */
export interface ExplainIo {
  names: Names
  gidsOf(user: { name: string; gid: number }): readonly number[]
  out(text: string): void
  color: boolean
  /** null: there is no such file. */
  readFile?: ((path: string) => string | null) | undefined
  lookAround?: typeof lookAround | undefined
  sessionToJoin?: typeof sessionToJoin | undefined
  owner?: number | undefined
  candidates?: readonly Candidate[] | undefined
  lastGoodDirectory?: string | undefined
}

/** `host`: taken to the host's view. `nothing`: left where it is. */
export type ExplainedOutcome = 'build' | 'join' | 'host' | 'nothing' | 'refused'

export interface Explanation {
  user: string
  uid: number
  ruser: string | null
  service: string | null
  job: string | null
  config: { files: string[]; mode: string; lastGood: boolean }
  /** null: no service was given, or its stack does not call polyns. */
  pam: PamLine | null
  base: 'host'
  outcome: ExplainedOutcome
  why: string
  exitStatus: number
  lines: ExplainedLine[]
  join: { id: string; service: string; pid: number; opened: string } | null
  steps: ShellStep[]
  things: Thing[]
  notes: string[]
  /** What the rights of the caller did not reach. */
  unseen: string[]
}

/**
 * @returns the exit status of the session
 * @throws {UnsafePathError} an unknown user. {@link ConfigError}: there is no usable configuration. {@link UsageError}
 */
export function explain(options: ExplainOptions, io: ExplainIo): number {
  const file = options.config === undefined ? undefined : resolve(options.config)
  const explanation = explanationOf({ ...options, config: file }, io)
  if (options.json) io.out(`${JSON.stringify(explanation)}\n`)
  else io.out(printExplanation(explanation, io.color))
  return explanation.exitStatus
}

/** Where PAM_RUSER names nobody, it is the service that asks. */
const SERVICE: Person = { user: 'root', uid: 0, gids: [0] }

function explanationOf(options: ExplainOptions, io: ExplainIo): Explanation {
  const unseen = io.lookAround === undefined ? goToHost() : []
  const who = whoIs(options, io)
  const requester = options.ruser === undefined ? SERVICE : personOf(options.ruser, io)
  const { pam, silent } = pamLineOf(options.service, io.readFile)
  const pamOptions = parsePamOptions(pam?.args ?? []) as PamOptions & PlanningOptions
  const { names, owner, candidates, lastGoodDirectory } = io
  const read = pamOptions.ignoreConfigError === true ? configWithoutBadLines : configForSession
  const config = options.config ?? pamOptions.config
  const used = read({ names, owner, candidates, lastGoodDirectory, config })
  const { files, mode, rules } = used.config
  const explained: Explanation = {
    user: options.user,
    uid: who.uid,
    ruser: options.ruser ?? null,
    service: options.service ?? null,
    job: options.job ?? null,
    config: { files, mode, lastGood: used.usedLastGood },
    pam,
    base: 'host',
    outcome: 'nothing',
    why: '',
    exitStatus: EXIT.ok,
    lines: explainLines(rules, who, pamOptions.view, requester),
    join: null,
    steps: [],
    things: [],
    notes: used.brokenBecause.map((problem) => sayBroken(problem, used)),
    unseen,
  }
  const skipped = options.service !== undefined && pamOptions.skip.includes(options.service)
  if (silent !== null || skipped) return { ...explained, why: silent ?? 'the PAM line says --skip' }
  const counting = rules.filter((rule) => countsFor(rule, who, pamOptions.view, requester))
  try {
    if (pamOptions.requireSelinux === true) requireSelinux()
    const contextOf = (request: ContextRequest) => contextFor(request, unseen)
    const plan = makePlan(counting, mode, who, md5, { ...pamOptions, contextOf })
    explained.notes.push(...notesOn(counting, who))
    return { ...explained, ...outcomeOf(plan, pamOptions, explained, io) }
  } catch (error) {
    const exitStatus = exitStatusOf(error)
    if (exitStatus === EXIT.failed) throw error
    return { ...explained, outcome: 'refused', why: describeError(error, { stack: false }), exitStatus }
  }
}

/** Those options of `polyns pam` that make another plan. */
interface PlanningOptions {
  genHash?: boolean
  ignoreParentMode?: boolean
  ignoreConfigError?: boolean
  requireSelinux?: boolean
}

function outcomeOf(
  plan: Plan,
  { view, failOpen }: PamOptions,
  so: Explanation,
  io: ExplainIo,
): Partial<Explanation> {
  const notes = [...so.notes, ...plan.notes]
  if (plan.steps.length === 0) return { ...withoutPlan(so, view), notes }
  const around = (io.lookAround ?? lookAround)(plan)
  const things = thingsOf(plan, around)
  const found = (io.sessionToJoin ?? sessionToJoin)(plan, around)
  const unseen = [...so.unseen, ...things.filter(({ state }) => state === 'unknown').map(sayUnseen)]
  if (found === 'unknown') unseen.push('live sessions: only root may see whether there is one to join')
  const join = found === null || found === 'unknown' ? null : briefly(found)
  const common = { join, steps: shellSteps(plan, around), things, notes, unseen }
  const [obstacle] = things.filter(({ state }) => state === 'refused')
  if (join !== null) return { ...common, outcome: 'join', why: 'a live session has the same plan' }
  if (obstacle === undefined)
    return {
      ...common,
      outcome: 'build',
      why: `${found === null ? 'no' : 'unless a'} live session has the same plan`,
    }
  const why = `${obstacle.path}: ${obstacle.why}`
  if (!failOpen) return { ...common, outcome: 'refused', why, exitStatus: EXIT.unsafe }
  return { ...common, outcome: 'host', why: `${why}; the PAM line says --fail-open` }
}

function withoutPlan({ user, ruser }: Explanation, view: PamOptions['view']): Partial<Explanation> {
  if (view === 'global') return { outcome: 'host', why: 'the PAM line says --global' }
  const why = `no line applies to ${user}`
  if (view !== 'own') return { outcome: 'host', why }
  if (ruser !== null) return { outcome: 'nothing', why: `${why}, who stays in the view of ${ruser}` }
  return { outcome: 'nothing', why: `${why}, who sees what the service sees` }
}

function sayBroken({ file, line, message }: Problem, { usedLastGood }: SessionConfig): string {
  const what = usedLastGood
    ? 'the last good configuration is used, for'
    : 'left out, with --ignore-config-error:'
  return `${what} ${file}:${line}: ${message}`
}

/** In a private session this would look at the wrong directories. @returns why it could not leave one */
function goToHost(): string[] {
  try {
    enterHost()
    return []
  } catch (error) {
    const isDenied = error instanceof UnsupportedError || error instanceof SyscallError
    if (!isDenied) throw error
    return markedUid('/proc/self') === null
      ? []
      : [
          "the host's directories: this runs in a private session, and what is said to be there is that session's",
        ]
  }
}

function whoIs({ user: name, job }: ExplainOptions, io: ExplainIo): Who {
  if (job !== undefined && !/^\w{1,32}$/.test(job)) throw new UsageError(`--job takes a job id, not '${job}'`)
  const { home, gid, ...person } = personOf(name, io)
  return { ...person, gid, home, sessionId: 'ID', jobId: job ?? null }
}

function personOf(name: string, io: ExplainIo): Person & { gid: number; home: string } {
  const user = name === '' ? null : io.names.userByName(name)
  if (user === null) {
    throw new UnsafePathError(`user '${name}'`, "is not known here; 'getent passwd' should list it")
  }
  return {
    user: name,
    uid: user.uid,
    gid: user.gid,
    home: user.home,
    gids: io.gidsOf({ name, gid: user.gid }),
  }
}

function contextFor({ polydir }: ContextRequest, unseen: string[]): InstanceContext {
  const why = whyNoContexts()
  if (why !== null) return { unavailable: why }
  unseen.push(`${polydir}: its SELinux context is known only at the login; CONTEXT stands for it`)
  return { context: 'CONTEXT' }
}

function sayUnseen({ path, role, why }: Thing): string {
  return `${role} ${path}: ${why}`
}

function briefly({ id, service, leader, opened }: SessionRecord): Explanation['join'] {
  return { id, service, pid: leader.pid, opened }
}
