/*
 * Takes back what the record tells, the last change first: unmounts the binds, and makes the mounts that setup shared what
 * they were. A mount that is no longer the recorded one is somebody else's, and is left alone.
 */
import type { Mount, MountId } from '../mountinfo/parse.js'
import { mountIdOf, readMounts } from '../mountinfo/read.js'
import { type MountTable, propagationType } from '../mountinfo/table.js'
import { openSafe } from '../ns/safepath.js'
import { during } from '../sys/call.js'
import { UnsafePathError } from '../sys/errors.js'
import { MNT, MS } from '../sys/flags.js'
import { setPropagation, umount2 } from '../sys/mount.js'
import { type Change, isSameMount, type MountIdentity, type Unshared } from './record.js'
import { command, type Outcome, type Step } from './step.js'

const TYPES = {
  private: { flag: MS.MS_PRIVATE, name: 'private' },
  slave: { flag: MS.MS_SLAVE, name: 'slave' },
  unbindable: { flag: MS.MS_UNBINDABLE, name: 'unbindable' },
} as const

/** The change that `step` belongs to cannot be taken back now: it stays in the record. */
interface Undone {
  steps: Step[]
  isLeft: boolean
}

/**
 * Takes back one change.
 * @param options dryRun: only tells
 * @throws {SyscallError} EPERM
 */
export function undoChange(change: Change, options: { dryRun: boolean }): Undone {
  const outcome = options.dryRun ? 'would' : 'done'
  if (change.kind === 'bound') return undoBind(change, outcome)
  if (change.kind === 'shared') return undoShared(change, outcome)
  const line = command('rmdir', change.path)
  return { steps: [{ outcome: 'skipped', command: line, note: "it may hold users' files" }], isLeft: false }
}

function undoBind({ path, mount }: Change & { kind: 'bound' }, outcome: Outcome): Undone {
  const table = readMounts()
  const step = { command: command('umount', '--lazy', path), note: '' }
  const found = table.byId(mount.id)
  if (!isSameMount(found, mount)) {
    return { steps: [{ ...step, outcome: 'already', note: 'it is not mounted any more' }], isLeft: false }
  }
  if (!table.isVisible(found)) {
    return { steps: [{ ...step, outcome: 'skipped', note: 'another mount is on top of it' }], isLeft: true }
  }
  if (outcome === 'done') during(`unmount '${path}'`, () => detach(found.mountPoint, found.id))
  return { steps: [{ ...step, outcome }], isLeft: false }
}

function undoShared({ mounts }: Change & { kind: 'shared' }, outcome: Outcome): Undone {
  const table = readMounts()
  const steps: Step[] = []
  for (const step of restorations(table, mounts)) {
    const line = command('mount', `--make-${step.recursive ? 'r' : ''}${step.type}`, step.mount.mountPoint)
    if (!table.isVisible(step.mount)) {
      steps.push({ outcome: 'skipped', command: line, note: 'another mount is on top of it' })
      continue
    }
    if (outcome === 'done') restore(step)
    steps.push({ outcome, command: line, note: '' })
  }
  return { steps, isLeft: steps.some((step) => step.outcome === 'skipped') }
}

/** umount2(2), if the mount on top at `path` is this one. @throws {UnsafePathError} another one is */
export function detach(path: string, id: MountId): void {
  using top = openOwn(path, id)
  umount2(top.procPath, MNT.MNT_DETACH)
}

export interface Restoration {
  mount: Mount
  type: Unshared
  recursive: boolean
}

/**
 * How the recorded mounts become what they were, in as few calls as reach no other mount. One on which another lies can
 * only be reached by a recursive call from above it.
 */
export function* restorations(
  table: MountTable,
  recorded: readonly (MountIdentity & { was: Unshared })[],
): Generator<Restoration> {
  const before = new Map<MountId, Unshared>()
  for (const entry of recorded) {
    const mount = table.byId(entry.id)
    const isOurs = isSameMount(mount, entry) && propagationType(mount.propagation) === 'shared'
    if (isOurs) before.set(entry.id, entry.was)
  }
  const covered = new Set<MountId>()
  for (const mount of outermostFirst(table)) {
    const type = before.get(mount.id)
    if (type === undefined || covered.has(mount.id)) continue
    const below = table.descendantsOf(mount)
    const recursive =
      below.length > 0 && table.isVisible(mount) && below.every(({ id }) => before.get(id) === type)
    if (recursive) for (const { id } of below) covered.add(id)
    yield { mount, type, recursive }
  }
}

/** Each mount after the one that it is on: the kernel lists them as they were made, and some were moved since. */
function outermostFirst(table: MountTable): Mount[] {
  const tops = table.mounts.filter(
    (mount) => mount.parentId === mount.id || table.byId(mount.parentId) === null,
  )
  return tops.flatMap((top) => [top, ...table.descendantsOf(top)])
}

/** @throws {UnsafePathError} another mount is there now. {@link SyscallError} EPERM */
export function restore({ mount, type, recursive }: Restoration): void {
  const { flag, name } = TYPES[type]
  during(`make '${mount.mountPoint}' ${name} again`, () => {
    using top = openOwn(mount.mountPoint, mount.id)
    setPropagation(top.procPath, flag | (recursive ? MS.MS_REC : 0))
  })
}

function openOwn(path: string, id: MountId) {
  const top = openSafe(path)
  if (mountIdOf(top) === id) return top
  top[Symbol.dispose]()
  throw new UnsafePathError(path, 'another mount is on top of the one that setup knows')
}
