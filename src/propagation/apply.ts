/*
 * Makes the planned mounts, each by descriptors of the very directory, and says what it changed.
 *
 * A bind mount is private before it is attached. Otherwise it would be a peer of what it was bound from, mostly `/`, and so
 * would its copies in running sessions. When it is unmounted later the kernel then takes a session's instance, which lies
 * on such a copy, for one more copy to unmount: the session would lose its /tmp (seen on 6.18).
 */
import { mountIdOf, readMounts } from '../mountinfo/read.js'
import { propagationType } from '../mountinfo/table.js'
import { openSafe } from '../ns/safepath.js'
import { during } from '../sys/call.js'
import { UnsafePathError } from '../sys/errors.js'
import { MS } from '../sys/flags.js'
import { mountSetattr, moveMount, openTreeClone, setPropagation } from '../sys/mount.js'
import type { UndoStack } from '../sys/undo.js'
import type { MountStep } from './plan.js'
import { type Change, identityOf } from './record.js'
import { detach, restorations, restore } from './undo.js'

/**
 * Does one step; how to take it back goes to `undo`.
 * @throws {SyscallError} EPERM, ENOSPC: fs.mount-max is reached
 * @throws {UnsafePathError} the directory is no longer what was planned for
 */
export function applyStep(step: MountStep, undo: UndoStack): Change[] {
  const bound = step.bind === 'none' ? [] : [bindOnItself(step, undo)]
  const shared = step.kind === 'share' ? makeShared(step.path, undo) : []
  return bound.length > 0 ? bound : shared // what became of the bind does not matter once it is unmounted
}

function bindOnItself({ path, bind }: MountStep, undo: UndoStack): Change {
  const reach = { recursive: bind === 'recursive' }
  return during(`bind '${path}' on itself`, () => {
    using dir = openSafe(path)
    using clone = openTreeClone(dir, reach)
    mountSetattr(clone, 0, MS.MS_PRIVATE, reach)
    moveMount(clone, dir)
    const id = mountIdOf(clone)
    undo.push(`unmount '${path}'`, () => detach(path, id))
    mountSetattr(clone, 0, MS.MS_PRIVATE, reach) // on a shared mount it has just become shared itself
    const mount = readMounts().byId(id)
    if (mount === null) throw new UnsafePathError(path, 'was unmounted while it was being set up')
    return { kind: 'bound', path, mount: identityOf(mount) }
  })
}

function makeShared(path: string, undo: UndoStack): Change[] {
  return during(`make '${path}' shared`, () => {
    using dir = openSafe(path)
    const table = readMounts()
    const top = table.byId(mountIdOf(dir))
    const mounts = top === null ? [] : [top, ...table.descendantsOf(top)]
    const changed = mounts.flatMap((mount) => {
      const was = propagationType(mount.propagation)
      return was === 'shared' ? [] : [{ ...identityOf(mount), was }]
    })
    setPropagation(dir.procPath, MS.MS_REC | MS.MS_SHARED)
    undo.push(`make '${path}' as before`, () => {
      for (const step of restorations(readMounts(), changed)) restore(step)
    })
    return changed.length === 0 ? [] : [{ kind: 'shared', path, mounts: changed }]
  })
}
