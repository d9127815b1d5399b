/*
 * Hooks: the administrator's programs in /etc/polyns/session.d/{open,close,last}, run as root in the session's namespace,
 * which this process is in by then. What one of them does is an outcome to be logged and nothing else: no hook can make a
 * session fail, keep it waiting longer than its limit, or hold a descriptor of ours. docs/hooks.md is the contract.
 */
import type { SessionMount } from '../ns/build.js'
import { ownNamespace } from '../ns/enter.js'
import { identityOf } from '../ns/join.js'
import { monotonicMs } from '../sys/clock.js'
import { messageOf } from '../sys/errors.js'
import type { Fd } from '../sys/fd.js'
import { O } from '../sys/flags.js'
import { childProcess } from '../sys/lazy.js'
import { openIfThere } from '../sys/path.js'
import { getOpenFilesLimit, setOpenFilesLimit } from '../sys/process.js'
import { findHooks, type Hook } from './hookfiles.js'
import { lastLine, newStderrFile } from './hookoutput.js'
import { isLive, readRecords, type SessionRecord } from './registry.js'
import type { Request } from './request.js'

export const HOOK_DIRECTORY = '/etc/polyns/session.d'

export type HookEvent = 'open' | 'close' | 'last'

export interface HookSession {
  request: Request
  /** As the session's record has it. */
  id: string
  /** How the namespace came to be; null when it is left. */
  kind: 'built' | 'joined' | null
  mounts: readonly Pick<SessionMount, 'polydir' | 'instance'>[]
  /** The pid of the PAM application. */
  leader: number
}

export interface HookOutcome {
  /** `open/10W-quota`, or the directory itself. */
  name: string
  /** `ok`, `started`, `failed 3`, `killed by SIGSEGV`, `timed out`, `refused: why`. */
  outcome: string
  /** The last line that a hook that was waited for wrote to stderr, at most 500 bytes; empty: none. */
  said: string
}

/** All in seconds. */
export interface HookLimits {
  /** For each hook that is waited for. */
  waited: number
  /** For all of them together: none is started after that. */
  waitedTotal: number
  /** For each of those in the background. Detached ones have no limit. */
  background: number
  /** Between SIGTERM and SIGKILL. */
  grace: number
}

export const HOOK_LIMITS: HookLimits = { waited: 15, waitedTotal: 60, background: 300, grace: 2 }

export interface HookOptions {
  directory?: string
  limits?: HookLimits
}

/** Whether there may be hooks of `event`. One call, where {@link runHooks} is called with a time limit of its own. Never throws. */
export function mayHaveHooks(event: HookEvent): boolean {
  try {
    using directory = openIfThere(null, `${HOOK_DIRECTORY}/${event}`, O.O_PATH, 0)
    return directory !== null
  } catch {
    return true // runHooks says what is wrong
  }
}

/**
 * Runs the hooks of `event`: first those that are waited for, in order; then it starts the others. The calling thread must be
 * in the session's namespace, and root. Never throws. Without a directory for that event this costs one call.
 */
export function runHooks(event: HookEvent, session: HookSession, options: HookOptions = {}): HookOutcome[] {
  const directory = `${options.directory ?? HOOK_DIRECTORY}/${event}`
  try {
    const found = findHooks(directory)
    if (found === null) return []
    const refused = found.refused.map(({ name, why }) => outcome(`${event}/${name}`, `refused: ${why}`))
    if (found.hooks.length === 0) return refused
    const runner = new Runner(event, hookEnvironment(event, session), options.limits ?? HOOK_LIMITS)
    return [...refused, ...runner.run(found.hooks)]
  } catch (error) {
    return [outcome(directory, `refused: ${messageOf(error)}`)]
  }
}

/** What a session's end is an event for. @param isLast as {@link isLastSession} found it under the lock */
export function closeEvents(isLast: boolean): HookEvent[] {
  return isLast ? ['close', 'last'] : ['close']
}

/**
 * The hooks of `events` at the end of a session. To be called with the user's lock held when `record` is read and removed, but
 * not any more when the hooks run.
 */
export function runCloseHooks(
  events: readonly HookEvent[],
  record: SessionRecord,
  request: Request,
  options: HookOptions = {},
): HookOutcome[] {
  const { id, mounts, leader } = record
  const session: HookSession = { request, id, kind: null, mounts, leader: leader.pid }
  try {
    if (!isIn(record)) return [outcome('close', "refused: the application has left its session's namespace")]
  } catch (error) {
    return [outcome('close', `refused: ${messageOf(error)}`)]
  }
  return events.flatMap((event) => runHooks(event, session, options))
}

/** Whether the user of `record` has no other open session. */
export function isLastSession(record: Pick<SessionRecord, 'uid' | 'leader'>): boolean {
  const { pid, startTime } = record.leader
  return !readRecords(record.uid).some(
    (other) =>
      other.ended === undefined &&
      isLive(other) &&
      (other.leader.pid !== pid || other.leader.startTime !== startTime),
  )
}

/** For the log: a line for each hook that did not do as it should. */
export function hookComplaints(outcomes: readonly HookOutcome[]): string[] {
  return outcomes
    .filter((hook) => hook.outcome !== 'ok' && hook.outcome !== 'started')
    .map((hook) => `hook ${hook.name} ${hook.outcome}${hook.said === '' ? '' : `: ${hook.said}`}`)
}

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** The whole environment of a hook. Every name is always there; what is not known or does not apply is empty. */
export function hookEnvironment(event: HookEvent, session: HookSession): Record<string, string> {
  const { request, mounts } = session
  const { who } = request
  return {
    PATH,
    POLYNS_EVENT: event,
    POLYNS_KIND: session.kind ?? '',
    POLYNS_USER: who.user,
    POLYNS_UID: `${who.uid}`,
    POLYNS_GID: `${who.gid}`,
    POLYNS_HOME: who.home,
    POLYNS_SERVICE: request.service,
    POLYNS_TTY: request.tty ?? '',
    POLYNS_RHOST: request.rhost ?? '',
    POLYNS_RUSER: request.ruser ?? '',
    POLYNS_SESSION_ID: session.id,
    POLYNS_JOB_ID: who.jobId ?? '',
    POLYNS_LEADER_PID: `${session.leader}`,
    POLYNS_POLYDIRS: mounts.map(({ polydir }) => polydir).join('\n'),
    POLYNS_INSTANCES: mounts.map(({ instance }) => instance ?? 'tmpfs').join('\n'),
  }
}

// Each hook under timeout(1): it ends the whole process group, and goes on doing so when this process is killed meanwhile.
// The shell that is started here ends at once, so what is behind `&` is nobody's child but pid 1's.
const IN_BACKGROUND = `grace=$1 limit=$2; shift 2
for hook; do
  timeout -k "$grace" "$limit" "$hook"
  status=$?
  [ $status = 0 ] || logger -p authpriv.warning -t polyns -- "hook $hook: status $status (124, 137: over $limit s)"
done &`
const DETACHED = '"$1" &'

class Runner {
  constructor(
    private readonly event: HookEvent,
    private readonly env: Record<string, string>,
    private readonly limits: HookLimits,
  ) {}

  run(hooks: readonly Hook[]): HookOutcome[] {
    restoreOpenFilesLimit()
    const of = (kind: Hook['kind']) => hooks.filter((hook) => hook.kind === kind)
    const until = monotonicMs() + this.limits.waitedTotal * 1000
    const waited = of('waited').map((hook) => this.wait(hook, until))
    const detached = of('detached').flatMap((hook) => this.start(DETACHED, [], [hook]))
    const { grace, background } = this.limits
    return [
      ...waited,
      ...detached,
      ...this.start(IN_BACKGROUND, [`${grace}`, `${background}`], of('background')),
    ]
  }

  private wait({ name, path }: Hook, until: number): HookOutcome {
    const shown = `${this.event}/${name}`
    if (monotonicMs() >= until) {
      return outcome(shown, `refused: those before it took ${this.limits.waitedTotal} s`)
    }
    const { waited, grace } = this.limits
    using stderr = newStderrFile()
    const started = monotonicMs()
    const limits = ['-k', `${grace}`, `${waited}`]
    // The second limit is for a hook that stops timeout(1) itself.
    const result = this.spawn('timeout', [...limits, path], (waited + grace + 3) * 1000, stderr)
    const said = stderr === null ? '' : lastLine(stderr)
    const { status, signal, error, pid } = result
    if (monotonicMs() - started >= waited * 1000) {
      if (error !== undefined) killGroup(pid)
      return outcome(shown, 'timed out', said)
    }
    if (error !== undefined) return outcome(shown, `refused: cannot be started: ${error.message}`)
    if (signal !== null) return outcome(shown, `killed by ${signal}`, said)
    return outcome(shown, status === 0 ? 'ok' : `failed ${status}`, said)
  }

  private start(script: string, args: readonly string[], hooks: readonly Hook[]): HookOutcome[] {
    if (hooks.length === 0) return []
    const paths = hooks.map(({ path }) => path)
    const { status, error } = this.spawn('/bin/sh', ['-c', script, 'polyns', ...args, ...paths], 5000, null)
    const what =
      status === 0 ? 'started' : `refused: cannot be started: ${error?.message ?? `sh gave ${status}`}`
    return hooks.map(({ name }) => outcome(`${this.event}/${name}`, what))
  }

  /**
   * In a session of its own (setsid), with nothing of ours open: Node opens everything close-on-exec, and puts signals and
   * their mask back in the child. There is no pipe, so nothing that a hook leaves running can hold us.
   */
  private spawn(file: string, args: readonly string[], timeout: number, stderr: Fd | null) {
    // `detached` works for spawnSync too, but is in the documentation and the types of spawn alone.
    const options = {
      cwd: '/',
      env: this.env,
      stdio: ['ignore', 'ignore', stderr === null ? 'ignore' : stderr.number] as ('ignore' | number)[],
      detached: true,
      timeout,
      killSignal: 'SIGKILL' as const,
    }
    return childProcess().spawnSync(file, args, options)
  }
}

function outcome(name: string, what: string, said = ''): HookOutcome {
  return { name, outcome: what, said }
}

/** Node has raised its own; a program that closes every descriptor it may have would take seconds. */
function restoreOpenFilesLimit(): void {
  const { soft } = getOpenFilesLimit(process.ppid)
  const { hard } = getOpenFilesLimit(0)
  if (soft < hard) setOpenFilesLimit(soft, hard)
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // ESRCH: nothing of it is left
  }
}

function isIn(record: Pick<SessionRecord, 'namespace'>): boolean {
  using own = ownNamespace()
  return identityOf(own) === record.namespace
}
