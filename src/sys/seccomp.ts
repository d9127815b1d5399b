/*
 * A seccomp filter that this process has from the service which started it: which of the calls that polyns is made of it
 * forbids. Each is made with arguments that the kernel refuses, with an errno of its own, before it changes anything. A filter
 * that kills instead ends this process, and nothing has been done to another one yet.
 */
import type { SyscallName } from './arch.js'
import { bind, errnoName } from './call.js'
import { ERRNO } from './errno.js'
import { UnsupportedError } from './errors.js'
import { CLONE } from './flags.js'
import { probeCapabilities } from './probe.js'

const prctlCall = bind('prctl', 'int', 'ulong', 'ulong', 'ulong', 'ulong')

const PR_GET_SECCOMP = 21
const PTRACE_SEIZE = 0x4206
const NONE = -1
const { EBADF, EFAULT, EINVAL, ESRCH } = ERRNO

/** A call, the set of systemd.exec(5) that it is in, what the kernel says to these arguments, and they. */
type Probe = [call: SyscallName, set: string, errno: number, ...args: (number | null)[]]

// The flags of unshare and setns are looked at by RestrictNamespaces=. 0x1 is one that unshare does not know.
const PROBES: readonly Probe[] = [
  ['pidfd_open', '@process', EINVAL, NONE, 0],
  ['pidfd_send_signal', '@process', EBADF, NONE, 0, null, 0],
  ['unshare', '@process', EINVAL, CLONE.CLONE_NEWNS | 0x1],
  ['setns', '@process', EBADF, NONE, CLONE.CLONE_NEWNS],
  ['ptrace', '@debug', ESRCH, PTRACE_SEIZE, NONE, null, null],
  ['pidfd_getfd', '@debug', EBADF, NONE, NONE, 0],
  ['fchdir', '@file-system', EBADF, NONE],
  ['openat2', '@file-system', EINVAL, NONE, null, null, 0],
  ['mount', '@mount', EFAULT, null, null, null, 0, null],
  ['open_tree', '@mount', EINVAL, NONE, null, NONE],
  ['move_mount', '@mount', EINVAL, NONE, null, NONE, null, NONE],
  ['mount_setattr', '@mount', EINVAL, NONE, null, NONE, null, 0],
  ['fsopen', '@mount', EFAULT, null, 0],
  ['fsconfig', '@mount', EINVAL, NONE, 0, null, null, 0],
  ['fsmount', '@mount', EINVAL, NONE, NONE, 0],
]

/** Where a filter comes from, and what to write there. */
export const FILTER_OF_SERVICE =
  'a seccomp filter that the service was started with (SystemCallFilter= or RestrictNamespaces= in its unit)'

/**
 * Asks for every call, if this process is under a filter at all.
 * @throws {UnsupportedError} naming the calls that it forbids, and the sets of calls to allow
 */
export function requireCallsOfFilter(): void {
  if (prctlCall(PR_GET_SECCOMP, 0, 0, 0, 0) === 0) return
  // Without a capability the kernel itself says EPERM; that is told where it is met.
  if (probeCapabilities().some(({ ok }) => !ok)) return
  const forbidden = PROBES.flatMap(([name, set, errno, ...args]) => {
    const call = bind(name, ...args.map((arg) => (arg === null ? 'ptr' : 'long')))
    const rc = call(...args)
    return rc === -errno ? [] : [{ set, said: `${name}(2) = ${rc < 0 ? errnoName(-rc) : rc}` }]
  })
  if (forbidden.length === 0) return
  const said = forbidden.map((one) => one.said).join(', ')
  const sets = [...new Set(forbidden.map((one) => one.set))].join(' ')
  throw new UnsupportedError('opening a session', `${FILTER_OF_SERVICE} answers ${said}: allow ${sets} there`)
}
