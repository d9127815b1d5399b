/*
 * What this kernel and these rights lack, said before anything is tried. A probe changes nothing: each call is made with
 * arguments that the kernel refuses after it has recognised the call.
 */
import { readFileSync, readlinkSync } from 'node:fs'
import { bind, check, errnoName } from './call.js'
import { SyscallError, UnsupportedError } from './errors.js'

export interface Feature {
  /** What polyns wants. */
  feature: string
  ok: boolean
  /** What was seen; when not ok, what takes the feature away and what gives it. */
  detail: string
}

const unameCall = bind('uname', 'ptr')
const UTS_FIELD = 65 // bytes; struct new_utsname: sysname, nodename, release, ...
const UTS_FIELDS = 6

const MINIMUM = [5, 12] as const // mount_setattr

/** @throws {UnsupportedError} on a kernel before 5.12. */
export function requireKernel(version = kernelRelease()): void {
  const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10))
  if (major > MINIMUM[0] || (major === MINIMUM[0] && minor >= MINIMUM[1])) return
  throw new UnsupportedError(
    `Linux ${version}`,
    `polyns needs Linux ${MINIMUM.join('.')} or newer (openat2, open_tree, mount_setattr, pidfd_getfd)`,
  )
}

/** Of uname(2), as node:os has it too, which takes longer to load than this. */
function kernelRelease(): string {
  const names = Buffer.alloc(UTS_FIELDS * UTS_FIELD)
  check(unameCall(names), { syscall: 'uname', show: () => '' })
  const release = names.subarray(2 * UTS_FIELD, 3 * UTS_FIELD)
  return release.toString('latin1', 0, release.indexOf(0))
}

// Bits of CapEff in /proc/PID/status, capabilities(7).
const CAPABILITIES = {
  CAP_CHOWN: [0, 'give instances their owner'],
  CAP_DAC_OVERRIDE: [1, 'open the instance parents, which have mode 000'],
  CAP_FOWNER: [3, 'give instances their mode'],
  CAP_SYS_CHROOT: [18, 'enter a mount namespace'],
  CAP_SYS_PTRACE: [19, 'adopt the PAM application'],
  CAP_SYS_ADMIN: [21, 'make mount namespaces and mounts'],
} as const

/** The capabilities that polyns needs, by name. */
export const NEEDED_CAPABILITIES: readonly string[] = Object.keys(CAPABILITIES)

/**
 * The capabilities of a process that polyns needs, each with what for.
 * @param set `CapBnd`: of those that its children can ever have
 */
export function probeCapabilities(
  status: string = readFileSync('/proc/thread-self/status', 'utf8'),
  set: 'CapEff' | 'CapBnd' = 'CapEff',
): Feature[] {
  const mask = BigInt(`0x${new RegExp(`^${set}:\\s*([0-9a-f]+)`, 'm').exec(status)?.[1] ?? '0'}`)
  return Object.entries(CAPABILITIES).map(([feature, [bit, purpose]]) => {
    const ok = ((mask >> BigInt(bit)) & 1n) === 1n
    return {
      feature,
      ok,
      detail: ok ? purpose : `missing; needed to ${purpose}: run as root, outside a container`,
    }
  })
}

/** The kernel calls that polyns is made of. */
export function probeCalls(): Feature[] {
  const impossible = -1
  const probes: Record<string, number> = {
    'openat2 (5.6)': bind('openat2', 'int', 'ptr', 'ptr', 'ulong')(impossible, null, null, 0),
    'open_tree (5.2)': bind('open_tree', 'int', 'ptr', 'int')(impossible, null, impossible),
    'move_mount (5.2)': bind(
      'move_mount',
      'int',
      'ptr',
      'int',
      'ptr',
      'int',
    )(impossible, null, impossible, null, impossible),
    'fsopen (5.2)': bind('fsopen', 'ptr', 'int')(null, 0),
    'mount_setattr (5.12)': bind(
      'mount_setattr',
      'int',
      'ptr',
      'int',
      'ptr',
      'ulong',
    )(impossible, null, 0, null, 0),
    'pidfd_open (5.3)': bind('pidfd_open', 'int', 'int')(impossible, 0),
    'pidfd_getfd (5.6)': bind('pidfd_getfd', 'int', 'int', 'int')(impossible, impossible, 0),
  }
  return Object.entries(probes).map(([feature, rc]) => {
    const ok = rc !== -38 // ENOSYS; a container's seccomp filter gives it too
    return {
      feature,
      ok,
      detail: ok ? `there (${errnoName(-rc)})` : 'missing: the kernel is older, or a seccomp filter hides it',
    }
  })
}

/** Settings that can forbid what the capabilities allow. */
export function probeSettings(): Feature[] {
  const features: Feature[] = []
  const yama = setting('/proc/sys/kernel/yama/ptrace_scope')
  features.push({
    feature: 'ptrace',
    ok: yama !== '3',
    detail:
      yama === '3'
        ? 'kernel.yama.ptrace_scope is 3: nobody may trace until the next boot, so no application can be adopted'
        : `kernel.yama.ptrace_scope is ${yama ?? 'not there'}`,
  })
  const limit = setting('/proc/sys/user/max_mnt_namespaces')
  features.push({
    feature: 'mount namespaces',
    ok: limit !== '0',
    detail: `user.max_mnt_namespaces is ${limit ?? 'not there'}`,
  })
  let host = 'readable'
  try {
    readlinkSync('/proc/1/ns/mnt')
  } catch (error) {
    host = (error as NodeJS.ErrnoException).code ?? 'unreadable'
  }
  features.push({
    feature: "the host's namespace",
    ok: host === 'readable',
    detail: `/proc/1/ns/mnt: ${host}`,
  })
  return features
}

/** Why the kernel said no: errno, as far as it tells something. */
export type Refusal = 'EPERM' | 'ENOSPC' | 'other'

export interface Blocked {
  because: string
  /** The command, for root, that allows it; null: none does. */
  remedy: string | null
}

// Where distributions switch them off: [setting, the value that does, the command that allows them].
const USERNS_SETTINGS = [
  ['user.max_user_namespaces', '0', 'sysctl -w user.max_user_namespaces=15000'],
  ['kernel.unprivileged_userns_clone', '0', 'sysctl -w kernel.unprivileged_userns_clone=1'],
  [
    'kernel.apparmor_restrict_unprivileged_userns',
    '1',
    'sysctl -w kernel.apparmor_restrict_unprivileged_userns=0',
  ],
] as const

/** What keeps this process from making a user namespace, once it has been refused one; user_namespaces(7). */
export function userNamespacesBlockedBy(
  refusal: Refusal,
  read: (path: string) => string | null = setting,
): Blocked {
  for (const [name, value, remedy] of USERNS_SETTINGS) {
    if (read(`/proc/sys/${name.replace('.', '/')}`) === value)
      return { because: `${name} is ${value}`, remedy }
  }
  if (refusal === 'ENOSPC') {
    const because = 'a limit of user.max_*_namespaces is reached, or 32 of them are nested already'
    return { because, remedy: 'sysctl -a -r user.max_.*_namespaces' }
  }
  if (read('/proc/self/uid_map') === null) {
    return { because: 'the kernel was built without CONFIG_USER_NS', remedy: null }
  }
  if (!/^\S+ \S+ \S+ \S+ \/ /m.test(read('/proc/self/mountinfo') ?? '')) {
    return { because: 'this is a chroot, where the kernel allows none', remedy: null }
  }
  if (/^Seccomp:\s*2$/m.test(read('/proc/self/status') ?? '')) {
    return { because: 'by a seccomp filter, as containers have', remedy: null }
  }
  return { because: 'no setting known to polyns does it; a security module or a chroot may', remedy: null }
}

function setting(path: string): string | null {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return null
  }
}

/** Puts what an EPERM or ENOSYS may come from in front of it: one line that names the cause. */
export function explainRights(attempt: string, error: unknown): unknown {
  if (!(error instanceof SyscallError) || !['EPERM', 'EACCES', 'ENOSYS'].includes(error.code)) return error
  const lacking = [...probeCapabilities(), ...probeCalls(), ...probeSettings()].filter((f) => !f.ok)
  if (lacking.length === 0) return error
  const why = lacking.map((f) => `${f.feature}: ${f.detail}`).join('; ')
  return new UnsupportedError(attempt, why, { cause: error })
}
