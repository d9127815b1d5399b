/* unshare(2) and setns(2). Both act on the calling thread: Node's main thread, and sync calls only, see ns/enter.ts. */
import { bind, check, quote } from './call.js'
import type { Fd } from './fd.js'
import { CLONE, flagNames } from './flags.js'

const unshareCall = bind('unshare', 'int')
const setnsCall = bind('setns', 'int', 'int')

/** unshare(2). CLONE_NEWNS implies CLONE_FS. @throws {SyscallError} EPERM: no CAP_SYS_ADMIN. ENOSPC: user.max_mnt_namespaces is reached. */
export function unshare(flags: number): void {
  check(unshareCall(flags), { syscall: 'unshare', show: () => flagNames(CLONE, flags) })
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
