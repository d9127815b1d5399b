/*
 * polyns pam: what pam_exec calls at every login. It writes nothing to the user's terminal, only to syslog, and it loads
 * neither commander nor pino: each login would wait for them. Here is what opening and closing have in common; the single
 * executable has a program for each, without the other.
 */
import { readFileSync } from 'node:fs'
import { openTarget, type Target } from '../ns/target.js'
import { type HookOutcome, hookComplaints } from '../session/hooks.js'
import type { Environment } from '../session/request.js'
import { tally } from '../session/tally.js'
import { traceCalls } from '../sys/call.js'
import { SyscallError, UnsupportedError } from '../sys/errors.js'
import { requireKernel } from '../sys/probe.js'
import { setgroups, setresgid, setresuid } from '../sys/process.js'
import { LOG, syslog } from '../sys/syslog.js'
import { sessionOf } from './pam-limits.js'
import { type PamOptions, parsePamOptions } from './pam-options.js'
import { describeError, EXIT, exitStatusOf } from './report.js'

export type Part = (options: PamOptions, env: Environment, target: Target) => void

/** What pam_exec asks for by PAM_TYPE. Whoever starts a program that has only one of them knows what is asked for. */
export interface Parts {
  open?: Part
  close?: Part
}

/** @returns the exit status: 0 lets the session begin or end, everything else makes pam_exec refuse it */
export function pam(args: readonly string[], env: Environment, parts: Parts): number {
  const failOpen = args.includes('--fail-open')
  try {
    // systemd-user closes its session as the user: nothing of ours can be done then, and nothing has to be.
    if (env.PAM_TYPE === 'close_session' && process.geteuid?.() !== 0) return EXIT.ok
    run(parsePamOptions(args), env, parts)
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

function run(options: PamOptions, env: Environment, parts: Parts): void {
  // Before the user is looked up: a service may have users of its own, which is a reason to skip it.
  if (options.skip.includes(env.PAM_SERVICE ?? '')) return
  if (options.debug) traceCalls((line) => syslog(LOG.DEBUG, line))
  becomeRoot()
  requireKernel()
  const isClose = env.PAM_TYPE === 'close_session'
  using target = openTarget(options.target, { isClose })
  const part = isClose ? parts.close : parts.open
  if (part === undefined) throw new Error(`PAM_TYPE=${env.PAM_TYPE} is not for this program`)
  part(options, env, target)
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

export function logHooks(session: string, outcomes: readonly HookOutcome[]): void {
  for (const line of hookComplaints(outcomes)) {
    syslog(LOG.WARNING, `${session}: ${line}`)
  }
}
