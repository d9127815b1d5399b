/*
 * polyns pam: what pam_exec calls at every login. It writes nothing to the user's terminal, only to syslog, and it loads
 * neither commander nor pino: each login would wait for them.
 */
import { readFileSync } from 'node:fs'
import { sweepEnded } from '../cleanup/ended.js'
import { type Config, configForSession, configWithoutBadLines } from '../config/index.js'
import { adopt } from '../ns/adopt.js'
import { contextLookup, requireSelinux } from '../ns/context.js'
import { openTarget, type Target } from '../ns/target.js'
import { closeSession } from '../session/close.js'
import { type HookOutcome, hookComplaints, mayHaveHooks, runCloseHooks, runHooks } from '../session/hooks.js'
import { type Outcome, openSession } from '../session/open.js'
import { type Environment, type Request, readRequest, systemNames } from '../session/request.js'
import { microsSinceStart, tally } from '../session/tally.js'
import { pluginOf } from '../slurm/plugin.js'
import { traceCalls } from '../sys/call.js'
import { SyscallError, UnsupportedError } from '../sys/errors.js'
import { requireKernel } from '../sys/probe.js'
import { ignoreSignal, setgroups, setresgid, setresuid } from '../sys/process.js'
import { LOG, syslog } from '../sys/syslog.js'
import { closeLimit, hookLimit, openLimit, type Step, sessionOf, within } from './pam-limits.js'
import { type PamOptions, parsePamOptions } from './pam-options.js'
import { describeError, EXIT, exitStatusOf } from './report.js'

/** @returns the exit status: 0 lets the session begin or end, everything else makes pam_exec refuse it */
export function pam(args: readonly string[], env: Environment): number {
  const failOpen = args.includes('--fail-open')
  try {
    // systemd-user closes its session as the user: nothing of ours can be done then, and nothing has to be.
    if (env.PAM_TYPE === 'close_session' && process.geteuid?.() !== 0) return EXIT.ok
    run(parsePamOptions(args), env)
    return EXIT.ok
  } catch (error) {
    const who = sessionOf(env)
    const what = describeError(error, { stack: true })
    const isClose = env.PAM_TYPE === 'close_session'
    tally(isClose ? 'closefailed' : failOpen ? 'failopen' : 'refused', exitStatusOf(error))
    if (failOpen) {
      syslog(LOG.ALERT, `${who}: failed, and goes on in the HOST'S VIEW because of --fail-open: ${what}`)
      return EXIT.ok
    }
    syslog(LOG.ERR, `${who}: refused: ${what}`)
    return exitStatusOf(error)
  }
}

function run(options: PamOptions, env: Environment): void {
  // Before the user is looked up: a service may have users of its own, which is a reason to skip it.
  if (options.skip.includes(env.PAM_SERVICE ?? '')) return
  if (options.debug) traceCalls((line) => syslog(LOG.DEBUG, line))
  becomeRoot()
  requireKernel()
  const isClose = env.PAM_TYPE === 'close_session'
  using target = openTarget(options.target, { isClose })
  if (isClose) {
    close(options, env, target)
    return
  }
  const opened = within(openLimit(options, env, target), (step) => open(options, env, target, step))
  if (opened === null) return
  if (opened.hasHooks) openHooks(opened, env, target)
}

/** Not with the user's lock held: an administrator's program may take its time. The session is open: nothing can refuse it now. */
function openHooks({ request, outcome }: Opened, env: Environment, target: Target): void {
  const { kind, mounts } = outcome
  try {
    within(hookLimit(env), (step) => {
      step('hooks')
      const session = { request, id: request.who.sessionId, kind, mounts, leader: target.pid }
      logHooks(request, runHooks('open', session))
    })
  } catch (error) {
    const what = describeError(error, { stack: false })
    syslog(LOG.WARNING, `${request.service}: session of ${request.who.user}: its hooks were not run: ${what}`)
  }
}

interface Opened {
  request: Request
  outcome: Extract<Outcome, { kind: 'built' | 'joined' }>
  hasHooks: boolean
}

/** @returns null: there is no new session of ours, so no hooks either */
function open(options: PamOptions, env: Environment, target: Target, step: Step): Opened | null {
  if (env.PAM_SERVICE === 'slurm' && leftToPlugin(env, target)) return null
  step('look up the user')
  const request = readRequest(env, target)
  if (isNobodysSession(request)) return null
  if (options.requireSelinux) requireSelinux()
  step('read the configuration')
  const config = readConfig(options)
  const { genHash, ignoreParentMode, contexts: source, view } = options
  const contextOf = contextLookup({ user: request.who.user, proc: target.proc, source })
  const plan = { genHash, ignoreParentMode, contextOf }
  step('set up the session')
  const outcome = openSession(request, target, config, { view, plan, commit: adopt })
  tally(outcome.kind, microsSinceStart())
  logOpened(request, outcome)
  return isNew(outcome) ? { request, outcome, hasHooks: mayHaveHooks('open') } : null
}

function isNew(outcome: Outcome): outcome is Opened['outcome'] {
  return outcome.kind === 'built' || outcome.kind === 'joined'
}

function readConfig(options: PamOptions): Config {
  const read = options.ignoreConfigError ? configWithoutBadLines : configForSession
  const { config, usedLastGood, brokenBecause } = read({
    names: systemNames,
    config: options.config,
  })
  if (usedLastGood) {
    const [first] = brokenBecause
    syslog(
      LOG.ALERT,
      `the configuration is broken, the last good one is used: ${first?.file}:${first?.line}:${first?.column}: ${first?.message}`,
    )
  }
  if (!usedLastGood) {
    for (const { file, line, message } of brokenBecause) {
      syslog(LOG.ALERT, `line left out because of --ignore-config-error: ${file}:${line}: ${message}`)
    }
  }
  return config
}

function logHooks(request: Request, outcomes: readonly HookOutcome[]): void {
  for (const line of hookComplaints(outcomes)) {
    syslog(LOG.WARNING, `${request.service}: session of ${request.who.user}: ${line}`)
  }
}

/** Whose session it is the record says: the user may have been removed while it lasted. */
function close(options: PamOptions, env: Environment, target: Target): void {
  // From here on: what is begun a second time would not find what the first has already done. Hooks get it as it was.
  ignoreSignal(SIGTERM)
  const closed = within(closeLimit(options, env), (step) => {
    step('close the session')
    return closeSession(target)
  })
  if (closed === null) return
  const { record, isLast } = closed
  const session = `${env.PAM_SERVICE}: session of ${record.user}`
  within(hookLimit(env), (step) => {
    step('hooks')
    try {
      const request = readRequest(env, target)
      logHooks(request, runCloseHooks(record, request, isLast))
    } catch (error) {
      syslog(LOG.WARNING, `${session}: no hook was run at its end: ${describeError(error, { stack: false })}`)
    }
  })
  const { removed, left } = within(closeLimit(options, env), (step) => {
    step('remove what only this session had')
    return sweepEnded(record.uid, [target.pid, target.launcher ?? target.pid, process.pid])
  })
  for (const { path, why } of left)
    syslog(LOG.WARNING, `${session}: '${path}' could not be removed yet: ${why}`)
  syslog(LOG.INFO, `${session} closed${removed.length === 0 ? '' : `, removed ${removed.join(' ')}`}`)
  tally('closed') // on a full /run there is room for it only now
}

/** Two that each give a job its /tmp end in a job that cannot start: setns into the one's namespace fails in the other's. */
function leftToPlugin(env: Environment, target: Target): boolean {
  const found = pluginOf(target.pid)
  if (found === null) return false
  const { plugin, file } = found
  syslog(
    LOG.NOTICE,
    `slurm: session of ${env.PAM_USER} left to ${plugin}, which '${file}' names; this line is not needed then`,
  )
  return true
}

const SIGTERM = 15 // signal(7)
const FIRST_PERSON = 1000 // login.defs(5), UID_MIN

/**
 * A display manager's own sessions have nobody to be private to. A person's own word on that is not taken: where pam_env reads
 * the user's file, he could write himself out of his private directories.
 */
function isNobodysSession({ sessionClass, who }: Request): boolean {
  return (sessionClass === 'greeter' || sessionClass === 'lock-screen') && who.uid < FIRST_PERSON
}

/**
 * All ids become root's: su's and sudo's caller is the real user, slurmstepd's group is the job's user, and both would end
 * up as owners of what is made.
 * @throws {UnsupportedError} we are not root at all
 */
function becomeRoot(): void {
  if (process.geteuid?.() !== 0) {
    throw new UnsupportedError(
      'opening a session',
      `needs root, but runs as uid ${process.geteuid?.()}; write 'pam_exec.so quiet seteuid' in the PAM line`,
    )
  }
  setresuid(0)
  setresgid(0)
  dropGroups()
  process.umask(0o022)
}

/** A user namespace that maps one gid only has no setgroups(2), user_namespaces(7): there is no group in it to be given. */
function dropGroups(): void {
  try {
    setgroups([])
  } catch (error) {
    const isDenied = () => readFileSync('/proc/self/setgroups', 'utf8').trim() === 'deny'
    if (!(error instanceof SyscallError) || error.code !== 'EPERM' || !isDenied()) throw error
  }
}

function logOpened(request: Request, outcome: Outcome): void {
  const session = `${request.service}: session of ${request.who.user}`
  switch (outcome.kind) {
    case 'nothing':
      return
    case 'host':
      syslog(LOG.NOTICE, `${session} taken to the host's view: ${outcome.why}`)
      return
    default:
      for (const note of outcome.notes) syslog(LOG.WARNING, `${session}: ${note}`)
      syslog(
        LOG.INFO,
        `${session} opened, ${outcome.kind}: ${outcome.mounts.map(({ polydir }) => polydir).join(' ')}`,
      )
  }
}
