/*
 * What is there of what a session needs: polydirs, instances, scripts, live sessions. Looked at with the calls that a session
 * makes, and never changed. What the rights do not reach is `unknown`, never a guess.
 */

import { isThere } from '../ns/initscript.js'
import { instanceFaults, parentFaults, type Template } from '../ns/instance.js'
import { openLive } from '../ns/join.js'
import { type BindStep, type Plan, planKey, type Step } from '../ns/plan.js'
import { openSafe } from '../ns/safepath.js'
import { isLive, readRecords, type SessionRecord } from '../session/registry.js'
import { SyscallError, UnsafePathError } from '../sys/errors.js'
import type { Fd } from '../sys/fd.js'
import { O, RESOLVE } from '../sys/flags.js'
import { openat2 } from '../sys/path.js'
import { type Stat, statx } from '../sys/stat.js'

/** `refused`: a session stops at it. */
export type Fact =
  | { state: 'there'; mode: number; uid: number; gid: number; dev: string; ino: string }
  | { state: 'missing' }
  | { state: 'refused'; why: string }
  | { state: 'unknown'; why: string }

/** What a step finds. null: it needs no such thing. */
export interface Surroundings {
  polydir: Fact
  parent: Fact | null
  instance: Fact | null
  script: 'runs' | 'absent' | { refused: string } | { unknown: string } | null
  /** Of keep=, the names that are directories of root's. */
  kept: string[]
}

/** What the steps of a plan find, each as the one before it leaves things. */
export function lookAround(plan: Plan): Surroundings[] {
  return plan.steps.map((step, i) => {
    const outer = plan.steps.slice(0, i).find(({ polydir }) => step.polydir.startsWith(`${polydir}/`))
    return look(step, plan, outer === undefined ? null : outer.polydir)
  })
}

function look(step: Step, plan: Plan, outer: string | null): Surroundings {
  const found: Surroundings = {
    polydir: { state: 'unknown', why: `it lies in ${outer}, which is a private one by then` },
    parent: null,
    instance: null,
    script: scriptOf(step),
    kept: [],
  }
  const template = outer === null ? lookAtPolydir(step, found) : null
  return step.kind === 'bind' ? { ...found, ...lookAtInstance(step, plan, template) } : found
}

/** @returns what a new instance would be like, if that is known */
function lookAtPolydir(step: Step, found: Surroundings): Template | null {
  let template: Template | null = null
  found.polydir = fact(() => {
    using dir = openSafe(step.polydir)
    const stat = statx(dir)
    template = { uid: stat.uid, gid: stat.gid, mode: stat.mode, label: null }
    found.kept = step.keep.filter((name) => isRootsDirectory(dir, name))
    return there(stat)
  })
  if (found.polydir.state !== 'missing') return template
  if (step.create === null) {
    found.polydir = { state: 'refused', why: 'is not there, and the line has no flag create' }
    return null
  }
  const { uid, gid, mode } = step.create
  return { uid, gid, mode: mode ?? 0o755, label: null }
}

function lookAtInstance(
  step: BindStep,
  plan: Plan,
  template: Template | null,
): Pick<Surroundings, 'parent' | 'instance'> {
  let instance: Fact | null = step.fresh ? null : { state: 'missing' }
  const parent = fact(() => {
    using dir = openSafe(step.parent)
    if (!step.fresh) instance = fact(() => lookInto(dir, step.name, template))
    const faults = plan.ignoreParentMode === true ? [] : parentFaults(dir)
    return faults.length === 0 ? there(statx(dir)) : { state: 'refused', why: faults.join(', ') }
  })
  if (parent.state === 'unknown' && !step.fresh) instance = parent
  if (parent.state !== 'missing') return { parent, instance }
  // Only its last component is made.
  const above = fact(() => {
    using dir = openSafe(step.parent.replace(/\/[^/]*$/, '') || '/')
    return there(statx(dir))
  })
  const isMade = above.state === 'there' || above.state === 'unknown'
  return {
    parent: isMade ? parent : { state: 'refused', why: 'the directory that would hold it is not there' },
    instance,
  }
}

function lookInto(parent: Fd, name: string, template: Template | null): Fact {
  const { type } = statx(parent, name)
  if (type !== 'directory') return { state: 'refused', why: `is not a directory but a ${type}` }
  using dir = openat2(parent, name, O.O_PATH | O.O_DIRECTORY | O.O_NOFOLLOW, RESOLVE.RESOLVE_NO_SYMLINKS)
  const faults = template === null ? [] : instanceFaults(dir, template)
  return faults.length === 0 ? there(statx(dir)) : { state: 'refused', why: faults.join(', ') }
}

function isRootsDirectory(dir: Fd, name: string): boolean {
  const found = fact(() => {
    using entry = openat2(dir, name, O.O_PATH | O.O_DIRECTORY | O.O_NOFOLLOW, RESOLVE.RESOLVE_NO_SYMLINKS)
    return there(statx(entry))
  })
  return found.state === 'there' && found.uid === 0
}

function scriptOf({ initScript }: Step): Surroundings['script'] {
  if (initScript === null) return null
  try {
    return isThere(initScript) ? 'runs' : 'absent'
  } catch (error) {
    if (error instanceof UnsafePathError) return { refused: error.why }
    if (!(error instanceof SyscallError)) throw error
    return isDenied(error) ? { unknown: error.code } : { refused: 'is not there' }
  }
}

function there({ mode, uid, gid, dev, ino }: Stat): Fact {
  return { state: 'there', mode, uid, gid, dev, ino: `${ino}` }
}

function fact(find: () => Fact): Fact {
  try {
    return find()
  } catch (error) {
    if (error instanceof UnsafePathError) return { state: 'refused', why: error.why }
    if (!(error instanceof SyscallError)) throw error
    if (error.code === 'ENOENT') return { state: 'missing' }
    if (isDenied(error)) return { state: 'unknown', why: 'only root may look there' }
    return { state: 'refused', why: error.message }
  }
}

function isDenied(error: SyscallError): boolean {
  return ['EACCES', 'EPERM'].includes(error.code)
}

/** The live session that one with this plan would join. 'unknown': only root sees them. */
export function sessionToJoin(plan: Plan, around: readonly Surroundings[]): SessionRecord | null | 'unknown' {
  if (!plan.joinable || plan.steps.length === 0) return null
  const key = planKey(plan)
  try {
    const found = readRecords(plan.uid).find(
      (record) =>
        record.joinable &&
        record.plan === key &&
        isLive(record) &&
        isCurrent(record, around) &&
        isOpen(record),
    )
    return found ?? null
  } catch (error) {
    if (['EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) return 'unknown'
    throw error
  }
}

function isOpen(record: SessionRecord): boolean {
  using namespace = openLive(record.leader, record.namespace)
  return namespace !== null
}

/** Its instances are still the ones that a new session would get. */
function isCurrent(record: SessionRecord, around: readonly Surroundings[]): boolean {
  return record.mounts.every((mount, i) => {
    const instance = around[i]?.instance
    if (mount.instance === null) return true
    return instance?.state === 'there' && instance.dev === mount.dev && instance.ino === mount.ino
  })
}
