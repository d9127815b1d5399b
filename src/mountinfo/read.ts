/*
 * Reads a mount table. The kernel gives at most a page with each read(2), however large the buffer, and lets changes
 * happen in between. KERNEL(5.8): it remembers its place in the list, so a mount that is there all the time is read
 * exactly once. One that comes or goes meanwhile may be seen or not, which is all that any reader can know.
 */
import { readFileSync, readlinkSync } from 'node:fs'
import { during, ignoring } from '../sys/call.js'
import type { Fd } from '../sys/fd.js'
import { O } from '../sys/flags.js'
import { mountNamespaceId } from '../sys/namespace.js'
import { openat2 } from '../sys/path.js'
import { statx } from '../sys/stat.js'
import { listmount, statmount } from '../sys/statmount.js'
import { type Mount, type MountId, parseMountinfo } from './parse.js'
import { toMount } from './status.js'
import { MountTable } from './table.js'

/**
 * The mount table of process `pid`, without it of the thread that runs this. A pid may have passed to another process:
 * hold a pidfd, and ask that after reading.
 * @throws {SyscallError} ENOENT: no such process. EINVAL: it has ended and is not yet waited for. EACCES
 * @throws {UnsupportedError} a line that is no mount
 */
export function readMounts(pid?: number): MountTable {
  const path = `/proc/${pid ?? 'thread-self'}/mountinfo`
  using file = during('read the mount table', () => openat2(null, path, O.O_RDONLY, 0))
  return new MountTable(parseMountinfo(readFileSync(file.number, 'utf8')))
}

/** The mount that an open file is on. No path is looked at, so it cannot be another one's. @throws {SyscallError} */
export function mountIdOf(file: Fd): MountId {
  return Number(statx(file).mountId) as MountId
}

/**
 * The mounts of the namespace that process `pid` is in, as seen from the namespace's root, whatever the root of the process.
 * By listmount(2) and statmount(2) where the kernel has them, with the unique ids of the mounts; else by mountinfo.
 * @returns null where only mountinfo is there and the process has a root of its own
 * @throws {SyscallError} @throws {UnsupportedError} as {@link readMounts}
 */
export function readNamespace(pid: number): MountTable | null {
  const mounts = statMounts(pid)
  if (mounts !== null) return mounts
  return readlinkSync(`/proc/${pid}/root`) === '/' ? readMounts(pid) : null
}

/** By listmount(2) and statmount(2) alone. @returns null where the kernel or the rights lack something */
export function statMounts(pid: number): MountTable | null {
  using file = during('read the mount table', () => openat2(null, `/proc/${pid}/ns/mnt`, O.O_RDONLY, 0))
  const namespace = mountNamespaceId(file)
  if (namespace === null) return null
  const why = 'mountinfo tells, or fails with more to say'
  return ignoring(['ENOENT', 'EPERM'], why, () => statNamespace(namespace)) ?? null
}

function statNamespace(namespace: bigint): MountTable | null {
  const mounts: Mount[] = []
  for (const id of listmount(namespace) ?? []) {
    const status = statmount(id, namespace)
    if (status === 'unsupported') return null
    if (status !== 'gone') mounts.push(toMount(status))
  }
  return mounts.length === 0 ? null : new MountTable(mounts)
}
