/*
 * Namespaces as open files, and moving this process's main thread into one. From then on only sync fs calls and child
 * processes see the new namespace: libuv's pool threads stay behind.
 */
import { readlinkSync } from 'node:fs'
import { SyscallError, UnsupportedError } from '../sys/errors.js'
import type { Fd } from '../sys/fd.js'
import { CLONE, O } from '../sys/flags.js'
import { setns, unshare } from '../sys/namespace.js'
import { openat2 } from '../sys/path.js'
import { statx } from '../sys/stat.js'

/** An open mount namespace. It stays alive while this is open. */
export interface MountNamespace extends Disposable {
  readonly file: Fd
  /** Inode of the nsfs file: tells namespaces apart that are alive at the same time, and only those. */
  readonly inode: bigint
}

/**
 * The mount namespace of one thread: `path` is a directory of /proc, `/proc/1`, `/proc/PID/task/TID`.
 * @throws {SyscallError} ENOENT: it has ended. EACCES, EPERM: the rights do not suffice
 */
export function mountNamespaceOf(path: string): MountNamespace {
  const file = openat2(null, `${path}/ns/mnt`, O.O_RDONLY, 0)
  return { file, inode: statx(file).ino, [Symbol.dispose]: () => file[Symbol.dispose]() }
}

/** `mnt:[4026531841]`, as the link of the process's namespace reads; null: it has ended. Nothing is opened. */
export function namespaceLink(pid: number | string): string | null {
  try {
    return readlinkSync(`/proc/${pid}/ns/mnt`)
  } catch {
    return null
  }
}

/** The namespace of the thread that runs this. */
export function ownNamespace(): MountNamespace {
  return mountNamespaceOf('/proc/thread-self')
}

/**
 * The host's namespace: that of pid 1 of our pid namespace.
 * @throws {UnsupportedError} where pid 1 may not be looked at
 */
export function hostNamespace(): MountNamespace {
  try {
    return mountNamespaceOf('/proc/1')
  } catch (error) {
    if (!(error instanceof SyscallError) || !['EACCES', 'EPERM'].includes(error.code)) throw error
    throw new UnsupportedError(
      "finding the host's mount namespace",
      'pid 1 has capabilities that this process lacks, so the kernel hides /proc/1/ns/mnt; ' +
        'run polyns with all of them, or in a pid namespace of its own',
      { cause: error },
    )
  }
}

/** Moves the main thread into `namespace`; working directory and root become that namespace's root. @throws {SyscallError} */
export function enter(namespace: MountNamespace): void {
  unshare(CLONE.CLONE_FS) // Node's other threads share our fs_struct, and setns refuses that with EINVAL
  setns(namespace.file, CLONE.CLONE_NEWNS)
}

/** Moves the main thread into the host's namespace unless it is there. */
export function enterHost(): void {
  using host = hostNamespace()
  using own = ownNamespace()
  if (own.inode !== host.inode) enter(host)
}
