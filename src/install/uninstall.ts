/*
 * Takes back what the state tells, the last thing first: the PAM lines before the program that they name. A stack that still
 * calls polyns keeps the program where it is, since a required line that cannot be run locks everybody out.
 */
import { reap } from '../cleanup/reap.js'
import { type Config, loadConfig } from '../config/index.js'
import { Host } from '../doctor/host.js'
import { callLines, placeOf } from '../doctor/pamcalls.js'
import { PROGRAM } from '../doctor/pamline.js'
import { staticParents } from '../propagation/places.js'
import { takeBack as takeSetupBack } from '../propagation/setup.js'
import { command, type Step } from '../propagation/step.js'
import { systemNames } from '../session/request.js'
import { messageOf } from '../sys/errors.js'
import { say } from './apply.js'
import { attempt, stateOf } from './files.js'
import { type RevertOptions, revert, step } from './revert.js'
import type { Action, InstallState } from './state.js'
import { removeDirectories, removeRun, removeState } from './traces.js'

const isBlocked = ({ outcome }: Step) => outcome === 'blocked'

/** The whole of it. @returns a `blocked` step: run it again when that is out of the way */
export function uninstall(state: InstallState, options: RevertOptions): Step[] {
  const config = configNow()
  const isStack = (action: Action) =>
    action.kind === 'profile' || (action.kind === 'file' && action.line !== undefined)
  const [stacks, others] = [state.actions.filter(isStack), state.actions.filter((action) => !isStack(action))]
  const first = takeBack({ ...state, actions: stacks }, { ...options, keep: 0 })
  if (first.some(isBlocked)) return first
  const purged = options.purge && config !== null ? purge(config, options) : []
  const then = takeBack({ ...state, actions: others }, { ...options, keep: 0 })
  const parents = config === null ? [] : removeDirectories(staticParents(config.rules), options)
  const steps = once([...first, ...purged, ...then, ...parents])
  if (steps.some(isBlocked)) return steps
  const kept = options.purge ? purgeConfig(options) : []
  return [...steps, ...kept, ...removeRun(options), ...removeState(options)]
}

/** An instance parent may be known from the state and from the configuration. */
function once(steps: readonly Step[]): Step[] {
  return steps.filter(({ command }, i) => steps.findIndex((other) => other.command === command) === i)
}

/** @param options keep: how many actions stay, from the oldest on */
export function takeBack({ actions }: InstallState, options: RevertOptions & { keep: number }): Step[] {
  const steps: Step[] = []
  for (const action of actions.slice(options.keep).reverse()) {
    try {
      steps.push(...takeOne(action, options))
    } catch (error) {
      const [line] = say(action, 'blocked')
      steps.push(step('blocked', line?.command ?? action.kind, `cannot be taken back: ${messageOf(error)}`))
    }
  }
  const isReloaded = actions.slice(options.keep).some((action) => action.kind === 'units')
  if (isReloaded && stateOf('/run/systemd/system') !== null && !options.dryRun)
    attempt('systemctl', 'daemon-reload')
  return steps
}

function takeOne(action: Action, options: RevertOptions): Step[] {
  if (action.kind === 'setup') {
    const parents = removeDirectories(action.parents, options)
    return [...takeSetupBack(options).filter(({ outcome }) => outcome !== 'skipped'), ...parents]
  }
  const callers = action.kind === 'link' && !options.dryRun ? stillCalling() : []
  if (callers.length === 0) return revert(action, options)
  const note = `${callers.join(' ')} still calls it, and would keep everybody out: take that line out, then uninstall again`
  return [step('blocked', command('rm', PROGRAM), note)]
}

function stillCalling(): string[] {
  const lines = callLines(new Host(systemNames, undefined)).filter(({ program }) => program === PROGRAM)
  return lines.map(({ entry }) => placeOf(entry))
}

/** What is private by now; null: it cannot be read any more. */
function configNow(): Config | null {
  const config = loadConfig({ names: systemNames })
  return config.rules.length === 0 ? null : config
}

const BUDGET_MS = 600_000

/** The instances of users who have nothing left on the machine, as `polyns reap` takes them away. */
function purge({ rules }: Config, { dryRun }: RevertOptions): Step[] {
  const { removed, kept, left } = reap({ rules, names: systemNames, idleMs: 0, budgetMs: BUDGET_MS, dryRun })
  const line = (path: string) => command('rm', '-r', path)
  return [
    ...removed.map(({ path }) => step(dryRun ? 'would' : 'done', line(path), '')),
    ...[...kept, ...left].map(({ path, why }) => step('skipped', line(path), why)),
  ]
}

function purgeConfig(options: RevertOptions): Step[] {
  return removeDirectories(['/etc/polyns'], options)
}
