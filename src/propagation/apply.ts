/*
 * Makes the planned mounts, each by descriptors of the very directory, and says what it changed.
 *
 * A bind mount is private before it is attached. Otherwise it would be a peer of what it was bound from, mostly `/`, and so
 * would its copies in running sessions. When it is unmounted later the kernel then takes a session's instance, which lies
 * on such a copy, for one more copy to unmount: the session would lose its /tmp (seen on 6.18).
 */
import { readlinkSync } from 'node:fs'
import { join, relative } from 'node:path'
import type { MountId } from '../mountinfo/parse.js'
import { mountIdOf, readMounts } from '../mountinfo/read.js'
import { propagationType } from '../mountinfo/table.js'
import { openSafe } from '../ns/safepath.js'
import { during } from '../sys/call.js'
import { UnsafePathError } from '../sys/errors.js'
import type { Fd } from '../sys/fd.js'
import { MS } from '../sys/flags.js'
import { mountSetattr, moveMount, openTreeClone, setPropagation } from '../sys/mount.js'
import type { UndoStack } from '../sys/undo.js'
import type { MountStep } from './plan.js'
import { type Change, identityOf, isSameMount, type MountIdentity } from './record.js'
import { detach, restorations, restore } from './undo.js'

/** Takes note of a change before it is made, so that a run that is killed can be taken back too. */
export type Keep = (change: Change) => void

/**
 * Does one step; how to take it back goes to `undo`, what changes to `keep`.
 * @throws {SyscallError} EPERM, ENOSPC: fs.mount-max is reached
 * @throws {UnsafePathError} the directory is no longer what was planned for
 */
export function applyStep(step: MountStep, undo: UndoStack, keep: Keep): void {
  if (step.bind !== 'none') bindOnItself(step, undo, keep)
  else if (step.kind === 'isolate') makePrivate(step.path)
  // What becomes of a bind does not matter once it is unmounted.
  if (step.kind === 'share') makeShared(step.path, undo, step.bind === 'none' ? keep : () => {})
}

function bindOnItself({ path, bind }: MountStep, undo: UndoStack, keep: Keep): void {
  const reach = { recursive: bind === 'recursive' }
  during(`bind '${path}' on itself`, () => {
    using dir = openSafe(path)
    using clone = openTreeClone(dir, reach)
    mountSetattr(clone, 0, MS.MS_PRIVATE, reach)
    const id = mountIdOf(clone)
    const planned = identityAt(dir, id)
    if (planned !== null) keep({ kind: 'bound', path, mount: planned })
    moveMount(clone, dir)
    undo.push(`unmount '${path}'`, () => detach(path, id))
    mountSetattr(clone, 0, MS.MS_PRIVATE, reach) // on a shared mount it has just become shared itself
    const mount = readMounts().byId(id)
    if (mount === null) throw new UnsafePathError(path, 'was unmounted while it was being set up')
    if (planned === null || !isSameMount(mount, planned))
      keep({ kind: 'bound', path, mount: identityOf(mount) })
  })
}

/** Nothing of it is to be taken back: it was to be private when it was bound. */
function makePrivate(path: string): void {
  during(`make '${path}' private`, () => {
    using dir = openSafe(path)
    setPropagation(dir.procPath, MS.MS_REC | MS.MS_PRIVATE)
  })
}

/** What a mount of this directory on itself will be known by. @returns null in a chroot on a mount that it cannot see */
function identityAt(dir: Fd, id: MountId): MountIdentity | null {
  const mount = readMounts().byId(mountIdOf(dir))
  if (mount === null) return null
  const mountPoint = readlinkSync(dir.procPath)
  return { id, dev: mount.dev, root: join(mount.root, relative(mount.mountPoint, mountPoint)), mountPoint }
}

function makeShared(path: string, undo: UndoStack, keep: Keep): void {
  during(`make '${path}' shared`, () => {
    using dir = openSafe(path)
    const table = readMounts()
    const top = table.byId(mountIdOf(dir))
    const mounts = top === null ? [] : [top, ...table.descendantsOf(top)]
    const changed = mounts.flatMap((mount) => {
      const was = propagationType(mount.propagation)
      return was === 'shared' ? [] : [{ ...identityOf(mount), was }]
    })
    if (changed.length > 0) keep({ kind: 'shared', path, mounts: changed })
    setPropagation(dir.procPath, MS.MS_REC | MS.MS_SHARED)
    undo.push(`make '${path}' as before`, () => {
      for (const step of restorations(readMounts(), changed)) restore(step)
    })
  })
}
