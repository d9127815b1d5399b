/*
 * The order that keeps people from being locked out: look at everything, try a login with copies of the stacks, note down what
 * will be done, do it, try again with the real ones. A failure on the way takes all of this run back; a kill leaves the note,
 * by which the next install or uninstall does.
 */
import { RUN_DIRECTORY } from '../ns/rundir.js'
import { staticParents } from '../propagation/places.js'
import { setUp } from '../propagation/setup.js'
import type { Step } from '../propagation/step.js'
import { ScriptError } from '../sys/errors.js'
import { UndoStack } from '../sys/undo.js'
import { apply, backUp } from './apply.js'
import { stateOf } from './files.js'
import type { InstallPlan } from './plan.js'
import { stageStacks } from './stage.js'
import { type InstallState, isFinished, NOTHING, readState, writeState } from './state.js'
import { absent, forgetState, removeDirectories, removeRun } from './traces.js'
import { instancesOf, tryLogins } from './trial.js'
import { takeBack } from './uninstall.js'

export interface InstallRun {
  plan: InstallPlan
  /** `--trial-user` */
  trialUser: string | undefined
  /** Told of each step when it is done. */
  tell: (steps: readonly Step[]) => void
}

const NOW = { dryRun: false, purge: false }

/** Takes back what an install that was killed has left. Call it before the plan is made, with the lock held. */
export function recover(tell: InstallRun['tell']): void {
  const state = readState()
  if (state === null || isFinished(state)) return
  takeBackAll(state, state.finished, tell)
  if (state.finished > 0) writeState({ ...state, actions: state.actions.slice(0, state.finished) })
  else forgetState()
}

/** @throws {ScriptError} something cannot be taken back now: the state stays, for the next time */
function takeBackAll(state: InstallState, keep: number, tell: InstallRun['tell']): void {
  const steps = takeBack(state, { ...NOW, keep })
  tell(steps)
  const blocked = steps.filter(({ outcome }) => outcome === 'blocked')
  if (blocked.length === 0) return
  const what = blocked.map(({ command, note }) => `${command} (${note})`).join('; ')
  throw new ScriptError(`not all could be taken back; 'polyns uninstall' tries again: ${what}`)
}

/** @throws what a trial or a step has failed by; then nothing of it is left */
export function install({ plan, trialUser, tell }: InstallRun): void {
  const { config, work } = plan
  bootStep(plan, { dryRun: true }) // what it would refuse, it refuses before anything is done
  const before = readState()
  using undo = new UndoStack()
  if (stateOf(RUN_DIRECTORY) === null) undo.push(`remove ${RUN_DIRECTORY}`, () => removeRun(NOW))
  const parents = absent(staticParents(config.rules))
  undo.push('remove instance parents', () => removeDirectories(parents, NOW))

  const attempt = (confdir: string | null) => {
    const { services } = plan.pam
    return leavingNothing(plan, trialUser, () => tryLogins({ services, config, user: trialUser, confdir }))
  }
  {
    using stage = stageStacks(plan)
    tell(attempt(stage.directory))
  }
  backUp(work)
  const { finished, actions } = before ?? NOTHING
  const state: InstallState = {
    format: 1,
    finished,
    actions: [...actions, ...work.map(({ action }) => action)],
  }
  undo.push('take the install back', () => {
    takeBackAll(state, finished, tell)
    if (before === null) forgetState()
    else writeState(before)
  })
  writeState(state)
  for (const one of work) tell(apply(one, () => bootStep(plan, NOW)))
  tell(attempt(null))
  writeState({ ...state, finished: state.actions.length })
  undo.commit()
}

/**
 * The boot step, if it is among the work.
 * @throws {UnsupportedError} this is no machine where people log in: a chroot, a container
 */
export function bootStep({ config, work }: InstallPlan, { dryRun }: { dryRun: boolean }): Step[] {
  if (!work.some(({ action }) => action.kind === 'setup')) return []
  const steps = setUp({ config, share: [], keepRoot: false, dryRun })
  return steps.filter(({ outcome }) => outcome === 'done' || outcome === 'would')
}

/** The instances that a trial has made are nobody's. */
function leavingNothing<T>({ config }: InstallPlan, user: string | undefined, fn: () => T): T {
  const instances = absent(instancesOf(user, config))
  try {
    return fn()
  } finally {
    removeDirectories(instances, NOW)
  }
}
