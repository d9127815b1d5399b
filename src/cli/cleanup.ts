/* polyns reap and polyns epilog: what is taken away, told in lines, as JSON, and to syslog. */
import { epilog } from '../cleanup/epilog.js'
import { reap } from '../cleanup/reap.js'
import { configForSession } from '../config/index.js'
import { enterHost } from '../ns/enter.js'
import { type Environment, systemNames } from '../session/request.js'
import { microsSinceStart, tally } from '../session/tally.js'
import { readEndedJob } from '../slurm/epilog.js'
import { escapeControls } from '../sys/call.js'
import { UnsafePathError } from '../sys/errors.js'
import { requireKernel } from '../sys/probe.js'
import { LOG, syslog } from '../sys/syslog.js'
import { parseDuration } from './duration.js'
import type { Io } from './io.js'
import { describeError, EXIT, exitStatusOf } from './report.js'
import { requireRoot } from './root.js'

export interface ReapFlags {
  idle: string
  budget: string
  dryRun?: boolean
  json?: boolean
  config?: string
}

/** @returns the exit status: 0 also when something is left for the next run */
export function runReap(flags: ReapFlags, io: Io): number {
  const options = {
    idleMs: parseDuration('--idle', flags.idle),
    budgetMs: parseDuration('--budget', flags.budget),
    dryRun: flags.dryRun === true,
  }
  const rules = prepare('taking away what nobody uses', flags.config)
  const result = reap({ ...options, rules, names: systemNames })
  if (flags.json === true) io.out(`${JSON.stringify(result)}\n`)
  else print(result, options.dryRun, io)
  if (!options.dryRun) {
    tally('reap', result.removed.length, result.entries, microsSinceStart())
    logRemoved(
      'reap',
      result.removed.map(({ path }) => path),
    )
  }
  return EXIT.ok
}

export interface EpilogFlags {
  wait: string
  budget: string
  kill?: boolean
  stopUserManager?: boolean
  dryRun?: boolean
  json?: boolean
  config?: string
}

/**
 * A non-zero epilog drains the node, so whatever goes wrong is told to syslog and to slurmd's log, and the node stays up;
 * unless an instance parent is unsafe: then no job of anybody's can start here.
 */
export function runEpilog(flags: EpilogFlags, env: Environment, io: Io): number {
  // Who reads this may have gone, or its disk be full: unheard, that would end in another status.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
  const options = {
    waitMs: parseDuration('--wait', flags.wait),
    budgetMs: parseDuration('--budget', flags.budget),
    kill: flags.kill === true,
    stopUserManager: flags.stopUserManager === true,
    dryRun: flags.dryRun === true,
  }
  try {
    const job = readEndedJob(env, systemNames)
    const rules = prepare('cleaning up after a job', flags.config)
    const result = runOrUnusable(() => epilog(job, { ...options, rules, names: systemNames }))
    if (flags.json === true) io.out(`${JSON.stringify(result)}\n`)
    else print(result, options.dryRun, io)
    if (!options.dryRun) {
      tally('epilog', result.removed.length, result.entries, microsSinceStart())
      logRemoved(`epilog of job ${job.id}`, result.removed)
    }
    return EXIT.ok
  } catch (error) {
    const unusable = error instanceof Unusable
    const what = describeError(unusable ? error.cause : error, { stack: true })
    io.err(`polyns: epilog: ${what}\n`)
    syslog(unusable ? LOG.ALERT : LOG.ERR, `epilog of job ${env.SLURM_JOB_ID ?? '?'}: ${what}`)
    return unusable ? exitStatusOf(error.cause) : EXIT.ok
  }
}

class Unusable extends Error {}

function runOrUnusable<T>(fn: () => T): T {
  try {
    return fn()
  } catch (cause) {
    throw cause instanceof UnsafePathError ? new Unusable('', { cause }) : cause
  }
}

/** Into the host's namespace, as root; the rules that are in force. */
function prepare(attempt: string, config: string | undefined) {
  requireRoot(attempt)
  requireKernel()
  process.umask(0o022)
  const session = configForSession({ names: systemNames, config })
  enterHost()
  return session.config.rules
}

interface Result {
  removed: readonly (string | { path: string })[]
  kept: readonly { path: string; why: string }[]
  left: readonly { path: string; why: string }[]
  complete: boolean
}

function print({ removed, kept, left, complete }: Result, dryRun: boolean, io: Io): void {
  const line = (what: string, path: string, why = '') =>
    io.out(`${what.padEnd(8)} ${escapeControls(path)}${why === '' ? '' : `  # ${escapeControls(why)}`}\n`)
  for (const one of removed) line(dryRun ? 'would' : 'removed', typeof one === 'string' ? one : one.path)
  for (const { path, why } of kept) line('kept', path, why)
  for (const { path, why } of left) line('left', path, why)
  if (!complete) io.out('the time was over; the next run goes on\n')
  if (removed.length + kept.length + left.length === 0) io.out('nothing to do\n')
}

function logRemoved(who: string, paths: readonly string[]): void {
  if (paths.length > 0) syslog(LOG.INFO, `${who}: removed ${paths.join(' ')}`)
}
