/* Opening a session: what `polyns pam` does when pam_exec calls it for open_session. */
import { type Config, configForSession, configWithoutBadLines } from '../config/index.js'
import { adopt } from '../ns/adopt.js'
import { contextLookup, requireSelinux } from '../ns/context.js'
import type { Target } from '../ns/target.js'
import { mayHaveHooks, runHooks } from '../session/hooks.js'
import { type Outcome, openSession } from '../session/open.js'
import { type Environment, type Request, readRequest, systemNames } from '../session/request.js'
import { microsSinceStart, tally } from '../session/tally.js'
import { pluginOf } from '../slurm/plugin.js'
import { LOG, syslog } from '../sys/syslog.js'
import { logHooks } from './pam.js'
import { hookLimit, openLimit, type Step, within } from './pam-limits.js'
import type { PamOptions } from './pam-options.js'
import { describeError } from './report.js'

const FIRST_PERSON = 1000 // login.defs(5), UID_MIN

export function open(options: PamOptions, env: Environment, target: Target): void {
  const opened = within(openLimit(options, env, target), (step) => openOne(options, env, target, step))
  if (opened?.hasHooks === true) openHooks(opened, env, target)
}

/** Not with the user's lock held: an administrator's program may take its time. The session is open: nothing can refuse it now. */
function openHooks({ request, outcome }: Opened, env: Environment, target: Target): void {
  const { kind, mounts } = outcome
  try {
    within(hookLimit(env), (step) => {
      step('hooks')
      const session = { request, id: request.who.sessionId, kind, mounts, leader: target.pid }
      logHooks(nameOf(request), runHooks('open', session))
    })
  } catch (error) {
    const what = describeError(error, { stack: false })
    syslog(LOG.WARNING, `${nameOf(request)}: its hooks were not run: ${what}`)
  }
}

interface Opened {
  request: Request
  outcome: Extract<Outcome, { kind: 'built' | 'joined' }>
  hasHooks: boolean
}

/** @returns null: there is no new session of ours, so no hooks either */
function openOne(options: PamOptions, env: Environment, target: Target, step: Step): Opened | null {
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

/**
 * A display manager's own sessions have nobody to be private to. A person's own word on that is not taken: where pam_env reads
 * the user's file, he could write himself out of his private directories.
 */
function isNobodysSession({ sessionClass, who }: Request): boolean {
  return (sessionClass === 'greeter' || sessionClass === 'lock-screen') && who.uid < FIRST_PERSON
}

function nameOf({ service, who }: Request): string {
  return `${service}: session of ${who.user}`
}

function logOpened(request: Request, outcome: Outcome): void {
  const session = nameOf(request)
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
