/*
 * polyns install and polyns uninstall: what is found, what is done, and how it is taken back, in lines as setup has them. Acts on
 * the host, wherever it is called.
 */
import { errorsOf, formatProblem } from '../config/index.js'
import { say } from '../install/apply.js'
import { unifiedDiff } from '../install/diff.js'
import { bootStep, recover, install as runInstall } from '../install/install.js'
import type { Problem } from '../install/lint.js'
import type { Work } from '../install/part.js'
import { type InstallPlan, planInstall } from '../install/plan.js'
import { isFinished, lockState, readState } from '../install/state.js'
import { removeState } from '../install/traces.js'
import { uninstall as runUninstall } from '../install/uninstall.js'
import { enterHost } from '../ns/enter.js'
import type { Outcome, Step } from '../propagation/step.js'
import { escapeControls } from '../sys/call.js'
import { explainRights, requireKernel } from '../sys/probe.js'
import { doctor } from './doctor.js'
import type { Io } from './io.js'
import { EXIT } from './report.js'
import { requireRoot } from './root.js'
import { print } from './setup.js'

export interface InstallFlags {
  /** undefined: the default services. */
  pam: readonly string[] | undefined
  pamAuthUpdate: boolean
  dryRun: boolean
  trialUser: string | undefined
}

export interface UninstallFlags {
  dryRun: boolean
  purge: boolean
}

/**
 * @returns the exit status: 0; that of the worst error that doctor finds afterwards; 3 or 5 where nothing was changed, with the
 * reasons on stderr
 * @throws what install throws
 */
export function install(flags: InstallFlags, io: Io): number {
  prepare('installing polyns')
  const tell = (steps: readonly Step[]) => print(steps, io)
  if (flags.dryRun) return dryRun(planInstall(flags), io)
  using _lock = lockState()
  using _directory = { [Symbol.dispose]: leaveNoDirectory }
  recover(tell)
  const plan = planInstall(flags)
  const refused = refusal(plan, io)
  if (refused !== null) return refused
  tell(plan.steps)
  if (plan.work.length > 0) runInstall({ plan, trialUser: flags.trialUser, tell })
  else io.out('nothing to do: everything is installed\n')
  io.out('polyns doctor, of the whole machine:\n')
  const status = doctor({ json: false, all: false, strict: false }, io)
  io.out('Keep this shell open, and log in from another one before you close it.\n')
  io.out("'polyns uninstall' takes everything back.\n")
  return status
}

/** The lock has made it. */
function leaveNoDirectory(): void {
  if (readState() === null) removeState({ dryRun: false, purge: false })
}

function refusal({ config, problems }: InstallPlan, io: Io): number | null {
  const errors = errorsOf(config)
  for (const problem of errors) io.err(formatProblem(problem))
  for (const problem of problems) io.err(`polyns install: ${show(problem)}\n`)
  if (errors.length + problems.length === 0) return null
  io.err('polyns install: nothing was changed\n')
  return problems.length > 0 ? EXIT.unsafe : EXIT.config
}

function show({ file, line, why }: Problem): string {
  const where = [file, ...(line > 0 ? [line] : [])].join(':')
  const text = why.split('\n').map(escapeControls).join('\n')
  return where === '' ? text : `${escapeControls(where)}: ${text}`
}

function dryRun(plan: InstallPlan, io: Io): number {
  const state = readState()
  if (state !== null && !isFinished(state)) io.out('an install that was cut off would be taken back first\n')
  const refused = refusal(plan, io)
  if (refused !== null) return refused
  const boot = bootStep(plan, { dryRun: true })
  print(plan.steps, io)
  print(
    plan.work.flatMap(({ action }) => (action.kind === 'setup' ? boot : say(action, 'would'))),
    io,
  )
  for (const work of plan.work) io.out(diffOf(work))
  io.out('dry run: nothing was changed, and no login was tried\n')
  return EXIT.ok
}

function diffOf({ action, text, old }: Work): string {
  return action.kind === 'file' ? unifiedDiff(action.path, old ?? null, text ?? '') : ''
}

/** @returns the exit status: 0; 1 when something is blocked, and uninstall is to be run again */
export function uninstall(flags: UninstallFlags, io: Io): number {
  prepare('uninstalling polyns')
  using _lock = flags.dryRun ? null : lockState()
  const state = readState()
  if (state === null) {
    if (!flags.dryRun) leaveNoDirectory()
    io.out("nothing to do: 'polyns install' has not been run here\n")
    return EXIT.ok
  }
  const steps = runUninstall(state, flags)
  print(steps, io)
  const has = (wanted: Outcome) => steps.some(({ outcome }) => outcome === wanted)
  if (has('blocked')) {
    io.out("what is blocked stays as it is, and so does what it needs: then run 'polyns uninstall' again\n")
    return EXIT.failed
  }
  if (flags.dryRun) io.out('dry run: nothing was changed\n')
  return EXIT.ok
}

function prepare(attempt: string): void {
  requireRoot(attempt)
  requireKernel()
  process.umask(0o022)
  try {
    enterHost()
  } catch (error) {
    throw explainRights(attempt, error)
  }
}
