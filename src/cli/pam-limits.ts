/*
 * How long `polyns pam` may take, and what becomes of the session when that is over: an application waits for it, and behind
 * that a person or a job. docs/limits.md has the whole list.
 */
import type { Target } from '../ns/target.js'
import { HOOK_LIMITS } from '../session/hooks.js'
import type { Environment } from '../session/request.js'
import { type Deadline, type DeadlineOptions, startDeadline } from '../sys/deadline.js'
import { LOG } from '../sys/syslog.js'
import type { PamOptions } from './pam-options.js'
import { EXIT } from './report.js'

export type Step = Deadline['step']

/** Runs `fn`; when it takes too long, this process logs what it was at and ends. */
export function within<T>(limit: DeadlineOptions, fn: (step: Step) => T): T {
  using deadline = startDeadline(limit)
  return fn(deadline.step)
}

/** As for any other failure: refused, or with --fail-open as it is. Before the commit nothing of the application has changed. */
export function openLimit(
  { timeout, failOpen }: PamOptions,
  env: Environment,
  target: Pick<Target, 'pid'>,
): DeadlineOptions {
  const what = failOpen ? 'goes on as it is because of --fail-open' : 'refused'
  return {
    seconds: timeout,
    status: failOpen ? EXIT.ok : EXIT.failed,
    priority: failOpen ? LOG.ALERT : LOG.ERR,
    text: `${sessionOf(env)}: ${what}: not done within ${timeout} s. It was at`,
    // With --target the parent is a shell or whatever else.
    endParent: !failOpen && target.pid === process.ppid,
  }
}

/** The session is over in any case, and what is left of it is found by the next one, or by reap. */
export function closeLimit({ timeout }: PamOptions, env: Environment): DeadlineOptions {
  return {
    seconds: timeout,
    status: EXIT.failed,
    priority: LOG.WARNING,
    text: `${sessionOf(env)}: not done within ${timeout} s. It was at`,
    endParent: false,
  }
}

/** Hooks have limits of their own; this one is for what goes wrong around them, of which no session may end. */
export function hookLimit(env: Environment): DeadlineOptions {
  const { waited, waitedTotal, grace } = HOOK_LIMITS
  const seconds = 2 * (waitedTotal + waited + grace) + 30 // a close may run those of two events
  return {
    seconds,
    status: EXIT.ok,
    priority: LOG.WARNING,
    text: `${sessionOf(env)}: not done within ${seconds} s. It was at`,
    endParent: false,
  }
}

const MOST = 64

export function sessionOf({ PAM_SERVICE, PAM_TYPE, PAM_USER }: Environment): string {
  const short = (text = '?') => (text.length > MOST ? `${text.slice(0, MOST)}...` : text)
  return `${short(PAM_SERVICE)}: ${short(PAM_TYPE)} of ${short(PAM_USER)}`
}
