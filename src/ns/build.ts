/*
 * Makes the private namespace, in this very process; nobody else is touched. Every instance parent is opened before the
 * first mount, so that no mount can come between; everything is mounted while the tree is a slave, and shared only at last.
 */
import { during } from '../sys/call.js'
import { SyscallError, UnsafePathError, UnsupportedError } from '../sys/errors.js'
import type { Fd } from '../sys/fd.js'
import { AT, CLONE, MOUNT_ATTR, MS, O } from '../sys/flags.js'
import { mountSetattr, moveMount, openTreeClone, setPropagation } from '../sys/mount.js'
import { unshare } from '../sys/namespace.js'
import { openat2, unlinkat } from '../sys/path.js'
import { sameFile, statx } from '../sys/stat.js'
import type { UndoStack } from '../sys/undo.js'
import { anchor } from './anchor.js'
import { type Carried, takeCarried } from './carry.js'
import { labelForNew } from './context.js'
import { runInitScript } from './initscript.js'
import {
  labelFrom,
  makeDirectory,
  makeFreshDirectory,
  openInstance,
  openInstanceParent,
  templateOf,
} from './instance.js'
import { showKept, takeKept } from './keep.js'
import { MARK_DIRECTORY, markNamespace } from './marker.js'
import type { BindStep, Plan, Step, TmpfsStep } from './plan.js'
import { openSafe, openSafeParent } from './safepath.js'
import { newTmpfs } from './tmpfs.js'

/** A private directory as it was made: which directory is seen at `polydir`. */
export interface SessionMount {
  polydir: string
  /** Absolute path of the instance; null: a tmpfs. */
  instance: string | null
  /** `major:minor` and inode of what is seen there. */
  dev: string
  ino: string
  /** The instance is this session's only and goes with it. */
  fresh: boolean
}

export interface Built {
  mounts: SessionMount[]
  /** What an administrator should hear of, though nothing failed. */
  notes: string[]
  /** What carry= will move, once the session is committed. */
  carried: Carried[]
}

const ATTRIBUTE = {
  nosuid: MOUNT_ATTR.MOUNT_ATTR_NOSUID,
  nodev: MOUNT_ATTR.MOUNT_ATTR_NODEV,
  noexec: MOUNT_ATTR.MOUNT_ATTR_NOEXEC,
} as const

/**
 * Leaves this thread in a new namespace as `plan` says, made from the one it is in.
 * @param undo takes what must go when the session is refused after all; the mounts go with this process anyway
 * @throws {UnsafePathError} @throws {SyscallError} @throws {UnsupportedError} nothing outside of this process has changed then
 */
export function buildNamespace(plan: Plan, undo: UndoStack): Built {
  unshare(CLONE.CLONE_NEWNS)
  makeSlave()
  using parents = new Parents(plan)
  const built: Built = { mounts: [], notes: [], carried: [] }
  for (const step of plan.steps) {
    const mount =
      step.kind === 'bind' ? bindInstance(step, parents, built.notes, undo) : mountTmpfs(step, built.notes)
    built.mounts.push(mount)
  }
  using mark = openSafe(MARK_DIRECTORY)
  markNamespace(mark, plan.uid)
  // Rootless containers want a shared root. Peers of the host these are not: the tree stays its slave.
  setPropagation('/', MS.MS_REC | MS.MS_SHARED)
  verifyMounts(built.mounts)
  return built

  function bindInstance(step: BindStep, parents: Parents, notes: string[], undo: UndoStack): SessionMount {
    using polydir = openPolydir(step)
    const { dir, name, created } = takeInstance(step, parents.of(step), polydir, undo)
    using instance = dir
    const kept = takeKept(polydir, step.keep, notes)
    if (step.carry.length > 0) built.carried.push(takeCarried(polydir, instance, step.polydir, step.carry))
    anchor(polydir)
    using clone = openTreeClone(instance)
    mountSetattr(clone, attributes(step), MS.MS_PRIVATE)
    during(`bind '${step.parent}/${name}' on '${step.polydir}'`, () => moveMount(clone, polydir))
    showKept(clone, kept, notes)
    const path = `${step.parent}/${name}`
    initialise(step, plan.user, path, created)
    const { dev, ino } = statx(instance)
    return {
      polydir: step.polydir,
      instance: path,
      dev,
      ino: `${ino}`,
      fresh: step.fresh || step.sessionOnly === true,
    }
  }

  function mountTmpfs(step: TmpfsStep, notes: string[]): SessionMount {
    using polydir = openPolydir(step)
    const kept = takeKept(polydir, step.keep, notes)
    if (step.carry.length > 0) built.carried.push(takeCarried(polydir, null, step.polydir, step.carry))
    anchor(polydir)
    using clone = newTmpfs('polyns', optionsOf(step), attributes(step))
    mountSetattr(clone, 0, MS.MS_PRIVATE)
    during(`mount a tmpfs on '${step.polydir}'`, () => moveMount(clone, polydir))
    showKept(clone, kept, notes)
    initialise(step, plan.user, 'tmpfs', true)
    const { dev, ino } = statx(clone)
    return { polydir: step.polydir, instance: null, dev, ino: `${ino}`, fresh: false }
  }
}

function makeSlave(): void {
  try {
    setPropagation('/', MS.MS_REC | MS.MS_SLAVE)
  } catch (error) {
    if (!(error instanceof SyscallError) || error.code !== 'EINVAL') throw error
    const why = '/ is not a mount point here: a chroot, or a container without a root mount of its own'
    throw new UnsupportedError('a private mount namespace', why, { cause: error })
  }
}

/** The open instance parents, each by its path. */
class Parents {
  readonly #open = new Map<string, Fd>()

  constructor({ steps, ignoreParentMode }: Plan) {
    try {
      for (const step of steps) {
        if (step.kind === 'bind' && !this.#open.has(step.parent)) {
          this.#open.set(step.parent, openInstanceParent(step.parent, { check: ignoreParentMode !== true }))
        }
      }
    } catch (error) {
      this[Symbol.dispose]()
      throw error
    }
  }

  of(step: BindStep): Fd {
    const parent = this.#open.get(step.parent)
    if (parent === undefined) throw new Error(`the parent '${step.parent}' was not opened`)
    return parent
  }

  [Symbol.dispose](): void {
    for (const dir of this.#open.values()) dir[Symbol.dispose]()
  }
}

function takeInstance(step: BindStep, parent: Fd, polydir: Fd, undo: UndoStack) {
  const template = templateOf(polydir, statx(polydir), step.label)
  const isOfSession = step.fresh || step.sessionOnly === true
  // Opened now: by then the parent's path may be covered by the session's own /tmp.
  const held = isOfSession ? openat2(parent, '.', O.O_PATH | O.O_DIRECTORY, 0) : null
  const { dir, name, created } = step.fresh
    ? { ...makeFreshDirectory(parent, step.name, template), created: true }
    : { ...openInstance(parent, step.name, template), name: step.name }
  if (held !== null && created)
    undo.push(`remove '${step.parent}/${name}'`, () => unlinkat(held, name, AT.AT_REMOVEDIR))
  return { dir, name, created }
}

function openPolydir(step: Step): Fd {
  try {
    return openSafe(step.polydir)
  } catch (error) {
    if (!(error instanceof SyscallError) || error.code !== 'ENOENT' || step.create === null) throw error
    const { dir, name } = during(`make the polydir '${step.polydir}'`, () => openSafeParent(step.polydir))
    using parent = dir
    const { mode, uid, gid } = step.create
    // Without a mode it is what mkdir would give: 0777 less the umask, which cli sets to 022.
    const label = labelForNew(step.polydir)
    makeDirectory(parent, name, {
      uid,
      gid,
      mode: mode ?? 0o755,
      label: label === null ? null : labelFrom(label),
    })
    return openSafe(step.polydir)
  }
}

/** `size=1g,noswap` as tmpfs options. */
function optionsOf({ options }: TmpfsStep): [string, string | null][] {
  return (options?.split(',').filter(Boolean) ?? []).map((option) => {
    const equals = option.indexOf('=')
    return equals < 0 ? [option, null] : [option.slice(0, equals), option.slice(equals + 1)]
  })
}

function attributes(step: Step): number {
  return step.mountFlags.reduce((set, flag) => set | ATTRIBUTE[flag], 0)
}

function initialise(step: Step, user: string, instance: string, created: boolean): void {
  if (step.initScript === null) return
  runInitScript({ ...step.initScript, polydir: step.polydir, instance, created, user })
}

/**
 * Checks that each polydir, opened by its path as the session will, is the directory that it should be.
 * @throws {UnsafePathError} it is another one: something was exchanged or mounted over it meanwhile
 */
export function verifyMounts(mounts: readonly SessionMount[]): void {
  for (const [i, mount] of mounts.entries()) {
    // Of two lines for one polydir the last one is seen.
    if (mounts.slice(i + 1).some((later) => later.polydir === mount.polydir)) continue
    using dir = openSafe(mount.polydir)
    if (sameFile(statx(dir), { dev: mount.dev, ino: BigInt(mount.ino) })) continue
    throw new UnsafePathError(mount.polydir, `is not ${mount.instance ?? 'the tmpfs that was mounted there'}`)
  }
}
