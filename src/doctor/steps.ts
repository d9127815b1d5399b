/*
 * What a session would do, as the shell lines that come to the same. Pure. A session runs none of them: it makes its calls
 * through descriptors, all in a namespace that nobody else sees, and moves the application there at the end.
 */

import { octal } from '../ns/instance.js'
import { MARK_DIRECTORY } from '../ns/marker.js'
import type { BindStep, Plan, Step, TmpfsStep } from '../ns/plan.js'
import { command } from '../propagation/step.js'
import type { Fact, Surroundings } from './look.js'

/** One shell line, and what else there is to know of it. */
export interface ShellStep {
  command: string
  note: string | null
}

/** @param around one for each step of the plan */
export function shellSteps(plan: Plan, around: readonly Surroundings[]): ShellStep[] {
  if (plan.steps.length === 0) return []
  const mark = `ro,nosuid,nodev,noexec,size=4k,nr_inodes=1,mode=555`
  return [
    line(['unshare', '--mount']),
    line(['mount', '--make-rslave', '/'], "the host's later mounts arrive, and none of these leaks out"),
    ...makeParents(plan.steps, around),
    ...plan.steps.flatMap((step, i) => {
      const found = around[i]
      return found === undefined ? [] : makePrivate(step, found, plan.user)
    }),
    line(
      ['mount', '-t', 'tmpfs', '-o', mark, `polyns:${plan.uid}`, MARK_DIRECTORY],
      'marks it as a namespace of polyns',
    ),
    line(['mount', '--make-rshared', '/'], 'for rootless containers'),
  ]
}

function line(words: readonly string[], note: string | null = null): ShellStep {
  return { command: command(...words), note }
}

function makeParents(steps: readonly Step[], around: readonly Surroundings[]): ShellStep[] {
  const missing = steps.flatMap((step, i) =>
    step.kind === 'bind' && around[i]?.parent?.state === 'missing' ? [step.parent] : [],
  )
  return [...new Set(missing)].map((parent) =>
    line(['mkdir', '-m', '000', parent], 'where the instances are kept; it is not there yet'),
  )
}

function makePrivate(step: Step, found: Surroundings, user: string): ShellStep[] {
  const mounted = step.kind === 'bind' ? bindInstance(step, found) : mountTmpfs(step)
  return [
    ...makePolydir(step, found.polydir),
    ...mounted,
    ...showKept(step, found),
    ...runScript(step, found, user),
  ]
}

function makePolydir({ polydir, create }: Step, found: Fact): ShellStep[] {
  if (found.state !== 'missing' || create === null) return []
  return makeDirectory(polydir, { ...create, mode: create.mode ?? 0o755 }, 'the flag create makes it')
}

function makeDirectory(
  path: string,
  { mode, uid, gid }: { mode: number; uid: number; gid: number },
  note: string | null,
): ShellStep[] {
  const owner = uid === 0 && gid === 0 ? [] : [line(['chown', `${uid}:${gid}`, path])]
  return [line(['mkdir', '-m', octal(mode), path], note), ...owner]
}

function bindInstance(step: BindStep, { polydir, instance }: Surroundings): ShellStep[] {
  const path = instancePath(step)
  const flags = step.mountFlags.join(',')
  return [
    ...makeInstance(step, path, polydir, instance),
    line(['mount', '--bind', '--make-private', path, step.polydir]),
    ...(flags === '' ? [] : [line(['mount', '-o', `remount,bind,${flags}`, step.polydir])]),
  ]
}

function makeInstance(step: BindStep, path: string, polydir: Fact, instance: Fact | null): ShellStep[] {
  if (instance !== null && (instance.state === 'there' || instance.state === 'refused')) return []
  const like =
    polydir.state === 'there'
      ? polydir
      : polydir.state === 'missing' && step.create !== null
        ? { ...step.create, mode: step.create.mode ?? 0o755 }
        : null
  const note = step.fresh
    ? 'new for each session, and removed after it'
    : instance?.state === 'unknown'
      ? 'unless it is there, which only root can see'
      : null
  const made =
    like === null
      ? [line(['mkdir', path], `with the owner and the mode of ${step.polydir}`)]
      : makeDirectory(path, like, note)
  return [...made, ...(step.label === undefined ? [] : [line(['chcon', step.label, path])])]
}

/** Where the instance is, or for a fresh one will be. */
export function instancePath({ parent, name, fresh }: BindStep): string {
  return `${parent}/${name}${fresh ? 'XXXXXXXX' : ''}`
}

function mountTmpfs({ polydir, options, mountFlags }: TmpfsStep): ShellStep[] {
  const all = [...(options === null ? [] : [options]), ...mountFlags].join(',')
  return [
    line(['mount', '--make-private', '-t', 'tmpfs', ...(all === '' ? [] : ['-o', all]), 'polyns', polydir]),
  ]
}

function showKept({ polydir }: Step, { kept }: Surroundings): ShellStep[] {
  return kept.map((name) =>
    line(
      ['mount', '--bind', `/proc/1/root${polydir}/${name}`, `${polydir}/${name}`],
      `keep=${name}: the real one`,
    ),
  )
}

function runScript(step: Step, { script, instance }: Surroundings, user: string): ShellStep[] {
  if (step.initScript === null || script === null || script === 'absent') return []
  const { path } = step.initScript
  if (step.kind === 'tmpfs') return [line(['env', '-i', path, step.polydir, 'tmpfs', '1', user, '1', '0'])]
  const created = instance?.state === 'there' ? '0' : '1'
  return [line(['env', '-i', path, step.polydir, instancePath(step), created, user, '1', '1'])]
}
