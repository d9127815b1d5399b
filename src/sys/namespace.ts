/* unshare(2) and setns(2). Both act on the calling thread: Node's main thread, and sync calls only, see ns/enter.ts. */
import { bind, check, quote } from './call.js'
import { ERRNO } from './errno.js'
import { Fd } from './fd.js'
import { CLONE, flagNames } from './flags.js'

const unshareCall = bind('unshare', 'int')
const setnsCall = bind('setns', 'int', 'int')
const ioctlCall = bind('ioctl', 'int', 'ulong', 'ptr')

// ioctl_nsfs(2)
const NS_GET_USERNS = 0xb701
const NS_GET_MNTNS_ID = 0x8008b705

/** What ENOSPC means of a call that makes a mount namespace. */
export const NO_NAMESPACE = 'there are as many namespaces as user.max_mnt_namespaces allows'

/** unshare(2). CLONE_NEWNS implies CLONE_FS. @throws {SyscallError} EPERM: no CAP_SYS_ADMIN. ENOSPC: user.max_mnt_namespaces is reached. */
export function unshare(flags: number): void {
  check(unshareCall(flags), {
    syscall: 'unshare',
    show: () => flagNames(CLONE, flags),
    noSpace: NO_NAMESPACE,
  })
}

/**
 * setns(2) with a namespace file, or since Linux 5.8 a pidfd. Resets the working directory and the root.
 * @throws {SyscallError} EINVAL: the thread still shares its fs_struct, unshare(CLONE_FS) first. EPERM, ESRCH
 */
export function setns(namespace: Fd, flags: number): void {
  check(setnsCall(namespace.number, flags), {
    syscall: 'setns',
    show: () => `${namespace.number} (${quote(namespace.label)}), ${flagNames(CLONE, flags)}`,
    path: namespace.label,
  })
}

/** ioctl_nsfs(2), NS_GET_USERNS: the user namespace that owns `namespace`. @throws {SyscallError} EPERM: it is outside of ours */
export function namespaceOwner(namespace: Fd): Fd {
  const fd = check(ioctlCall(namespace.number, NS_GET_USERNS, null), {
    syscall: 'ioctl',
    show: () => `${namespace.number} (${quote(namespace.label)}), NS_GET_USERNS`,
    path: namespace.label,
  })
  return new Fd(fd, `owner of ${namespace.label}`)
}

/** ioctl_nsfs(2), NS_GET_MNTNS_ID (6.11): a number that no other mount namespace ever has; null on older kernels. */
export function mountNamespaceId(namespace: Fd): bigint | null {
  const id = Buffer.alloc(8)
  const rc = ioctlCall(namespace.number, NS_GET_MNTNS_ID, id)
  if (rc === -ERRNO.ENOTTY) return null // KERNEL(6.11): drop when the minimum is raised
  check(rc, { syscall: 'ioctl', show: () => `${namespace.number}, NS_GET_MNTNS_ID`, path: namespace.label })
  return id.readBigUInt64LE(0)
}
