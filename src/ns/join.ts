/*
 * Joining a namespace that lives already. Its leader may be a process of the user's own (systemd --user), which can move to
 * a namespace that the user controls; root must never follow it there. So the namespace must be owned by our user
 * namespace, and be the very one that was recorded.
 */

import { readFileSync } from 'node:fs'
import { UnsafePathError } from '../sys/errors.js'
import { O } from '../sys/flags.js'
import { mountNamespaceId, namespaceOwner } from '../sys/namespace.js'
import { openat2 } from '../sys/path.js'
import { sameFile, statx } from '../sys/stat.js'
import { type SessionMount, verifyMounts } from './build.js'
import { enter, type MountNamespace, mountNamespaceOf } from './enter.js'
import { openSafe } from './safepath.js'
import { isAlive } from './target.js'

export interface Leader {
  pid: number
  tid: number
  startTime: string
}

/**
 * What tells a mount namespace from every other: its 64-bit id, or before Linux 6.11 only its inode, which a later namespace
 * may get again.
 */
export function identityOf(namespace: MountNamespace): string {
  const id = mountNamespaceId(namespace.file)
  return id === null ? `inode:${namespace.inode}` : `id:${id}`
}

/** The live namespace of a session, if it is the one recorded and safe to enter; else null. */
export function openLive(leader: Leader, identity: string): MountNamespace | null {
  const proc = `/proc/${leader.pid}/task/${leader.tid}`
  let namespace: MountNamespace
  try {
    namespace = mountNamespaceOf(proc)
  } catch {
    return null // it has ended
  }
  // Asked after the namespace was opened: then it was this process's.
  const usable =
    isAlive(leader.pid, leader.startTime) &&
    identityOf(namespace) === identity &&
    isOurs(namespace) &&
    (identity.startsWith('id:') || belongsToRoot(proc))
  if (usable) return namespace
  namespace[Symbol.dispose]()
  return null
}

/**
 * Moves this thread into `namespace` when every private directory in it is still what a new session would get.
 * Called in the base; on false this thread is in `namespace` or in the base.
 */
export function joinNamespace(namespace: MountNamespace, mounts: readonly SessionMount[]): boolean {
  if (!mounts.every(instanceIsCurrent)) return false
  enter(namespace)
  try {
    verifyMounts(mounts)
    return true
  } catch (error) {
    if (error instanceof UnsafePathError) return false
    throw error
  }
}

/** False once the instance was removed or replaced: the old sessions keep theirs, a new one must not follow. */
function instanceIsCurrent(mount: SessionMount): boolean {
  if (mount.instance === null) return true
  const slash = mount.instance.lastIndexOf('/')
  try {
    using parent = openSafe(mount.instance.slice(0, slash))
    return sameFile(statx(parent, mount.instance.slice(slash + 1)), {
      dev: mount.dev,
      ino: BigInt(mount.ino),
    })
  } catch {
    return false
  }
}

/** Whether it belongs to our user namespace; one of a user's own making, rootless podman's for one, does not. */
export function isOurs(namespace: MountNamespace): boolean {
  try {
    using owner = namespaceOwner(namespace.file)
    using own = openat2(null, '/proc/self/ns/user', O.O_RDONLY, 0)
    return statx(owner).ino === statx(own).ino
  } catch {
    return false
  }
}

function belongsToRoot(proc: string): boolean {
  try {
    // Uid: real effective saved filesystem
    // Not `^`, which takes a carriage return for the end of a line too: one that a user named himself may hold a second `Uid:`.
    return /\nUid:\s+\d+\s+0\s+0\s+\d+\n/.test(readFileSync(`${proc}/status`, 'utf8'))
  } catch {
    return false
  }
}
