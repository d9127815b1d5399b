/*
 * libselinux, as far as instances need it. It is loaded when somebody first asks, and no earlier: most machines have no use
 * for it, and each login would wait. All contexts in and out are raw ones (`s0:c1`, never mcstransd's words for them).
 */
import { existsSync, constants as files, readFileSync } from 'node:fs'
import { check, syscallError } from './call.js'
import { ERRNO } from './errno.js'
import { SyscallError } from './errors.js'
import { koffi } from './koffi.js'
import { os } from './lazy.js'

/** What naming and labelling ask of SELinux; tests give a table of contexts in its place. */
export interface SelinuxApi {
  /** is_selinux_enabled(3): the kernel has a policy, and /etc/selinux/config exists. */
  isEnabled(): boolean
  /** getexeccon(3) or getcon(3), but of another thread: `proc` is `/proc/PID/task/TID`. null: none was set. @throws {SyscallError} */
  contextOf(proc: string, which: 'exec' | 'current'): string | null
  /** security_compute_member(3) for a directory: the polyinstantiated `target` for a process in `source`. @throws {SyscallError} EINVAL: a context that the policy does not know */
  computeMember(source: string, target: string): string
  /** getseuserbyname(3) and get_default_context_with_level(3): what a login of `user` from a daemon in `from` gets. @throws {SyscallError} */
  defaultContext(user: string, from: string): string
  /** selabel_lookup(3): what file_contexts has for a directory of this path; null: nothing. @throws {SyscallError} */
  defaultLabel(path: string): string | null
}

const LIBRARY = 'libselinux.so.1'
const SELABEL_CTX_FILE = 0

type Call = (...args: unknown[]) => number
type Free = (address: bigint) => void
type Library = ReturnType<typeof koffi.load>
/** Runs `call` with room for a `char **` and gives the string, or null for a null pointer. */
type Answer = (syscall: string, shown: string, call: (out: Buffer) => number) => string | null

let loaded: SelinuxApi | null | undefined

/** Whether the kernel has SELinux on. Asked without the library, and so without its cost. */
export function kernelHasSelinux(): boolean {
  return existsSync('/sys/fs/selinux/enforce')
}

/** @returns null where the library is not installed */
export function loadSelinux(): SelinuxApi | null {
  if (loaded === undefined) {
    try {
      loaded = api(koffi.load(LIBRARY))
    } catch {
      loaded = null
    }
  }
  return loaded
}

function api(library: Library): SelinuxApi {
  const bind = (name: string, ...params: string[]) => {
    let bound: Call | undefined
    return (...args: unknown[]) => {
      bound ??= library.func(name, 'int', params) as Call
      return bound(...args)
    }
  }
  const isSelinuxEnabled = bind('is_selinux_enabled')
  const stringToClass = library.func('string_to_security_class', 'uint16', ['str']) as Call
  const computeMember = bind('security_compute_member_raw', 'str', 'str', 'uint16', 'void *')
  const toRaw = bind('selinux_trans_to_raw_context', 'str', 'void *')
  const toTranslated = bind('selinux_raw_to_trans_context', 'str', 'void *')
  const getSeUser = bind('getseuserbyname', 'str', 'void *', 'void *')
  const getDefault = bind('get_default_context_with_level', 'str', 'str', 'str', 'void *')
  const free = library.func('freecon', 'void', ['void *']) as unknown as Free

  const answer: Answer = (syscall, shown, call) => {
    const out = Buffer.alloc(8)
    checkRc(call(out), syscall, shown)
    return take(out, free)
  }
  const required = (syscall: string, shown: string, call: (out: Buffer) => number): string =>
    answer(syscall, shown, call) ?? fail('EINVAL', syscall, shown)

  return {
    isEnabled: () => isSelinuxEnabled() === 1,
    contextOf: readAttribute,
    computeMember(source, target) {
      const directory = stringToClass('dir')
      if (directory === 0) fail('EINVAL', 'string_to_security_class', "'dir'")
      return required('security_compute_member', `${source}, ${target}, dir`, (out) =>
        computeMember(source, target, directory, out),
      )
    },
    defaultContext(user, from) {
      const [seuser, level] = [Buffer.alloc(8), Buffer.alloc(8)]
      checkRc(getSeUser(user, seuser, level), 'getseuserbyname', user)
      const name = take(seuser, free)
      const range = take(level, free)
      // The library's login code speaks the translated form only.
      const daemon = required('selinux_raw_to_trans_context', from, (out) => toTranslated(from, out))
      const context = required('get_default_context_with_level', `${name}, ${range}, ${from}`, (out) =>
        getDefault(name, range, daemon, out),
      )
      return required('selinux_trans_to_raw_context', context, (out) => toRaw(context, out))
    },
    defaultLabel: (path) => lookUpLabel(library, path, answer),
  }
}

function lookUpLabel(library: Library, path: string, answer: Answer): string | null {
  const open = library.func('selabel_open', 'void *', ['uint32', 'void *', 'uint32'])
  const lookUp = library.func('selabel_lookup_raw', 'int', ['void *', 'void *', 'str', 'int']) as Call
  const close = library.func('selabel_close', 'void', ['void *'])
  const handle = open(SELABEL_CTX_FILE, null, 0) as bigint | null
  if (handle === null) checkRc(-1, 'selabel_open', 'SELABEL_CTX_FILE')
  try {
    return answer('selabel_lookup', path, (out) => lookUp(handle, out, path, files.S_IFDIR))
  } catch (error) {
    if (error instanceof SyscallError && error.code === 'ENOENT') return null
    throw error
  } finally {
    close(handle)
  }
}

/** /proc/PID/task/TID/attr/exec: the context, with a NUL behind it or not; empty for none. */
function readAttribute(proc: string, which: 'exec' | 'current'): string | null {
  const path = `${proc}/attr/${which}`
  try {
    const text = readFileSync(path, 'utf8').replace(/[\0\n]+$/, '')
    return text === '' ? null : text
  } catch (error) {
    const { code = 'EIO' } = error as NodeJS.ErrnoException
    return fail(code, 'read', path)
  }
}

function take(out: Buffer, free: Free): string | null {
  const address = out.readBigUInt64LE(0)
  if (address === 0n) return null
  const text = koffi.decode(out, 'char *') as unknown
  free(address)
  return typeof text === 'string' ? text : null
}

function checkRc(rc: number, syscall: string, shown: string): void {
  // Read at once: whatever comes in between may change it. The library leaves 0 behind for what it found out by itself.
  const errno = rc < 0 ? koffi.errno() || ERRNO.EINVAL : 0
  check(-errno, { syscall, show: () => shown })
}

function fail(code: string, syscall: string, shown: string): never {
  const errno = (os().constants.errno as Record<string, number>)[code] ?? ERRNO.EIO
  throw syscallError(errno, { syscall, show: () => shown })
}
