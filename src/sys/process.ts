/* Processes: pidfds, waiting, credentials of the calling thread, resource limits, execve. */
import { bind, check, cstr, quote, syscallError } from './call.js'
import { ERRNO } from './errno.js'
import { Fd } from './fd.js'
import { flagNames, WAIT } from './flags.js'
import { libc } from './koffi.js'

const pidfdOpenCall = bind('pidfd_open', 'int', 'int')
const pidfdGetfdCall = bind('pidfd_getfd', 'int', 'int', 'int')
const pidfdSendSignalCall = bind('pidfd_send_signal', 'int', 'int', 'ptr', 'int')
const wait4Call = bind('wait4', 'int', 'ptr', 'int', 'ptr')
const exitGroupCall = bind('exit_group', 'int')
const getrandomCall = bind('getrandom', 'ptr', 'ulong', 'int')
const execveCall = bind('execve', 'ptr', 'strings', 'strings')
const schedYieldCall = bind('sched_yield')
const prctlCall = bind('prctl', 'int', 'ulong', 'ulong', 'ulong', 'ulong')
const prlimitCall = bind('prlimit64', 'int', 'int', 'ptr', 'ptr')
const setresuidCall = bind('setresuid', 'int', 'int', 'int')
const setresgidCall = bind('setresgid', 'int', 'int', 'int')
const setgroupsCall = bind('setgroups', 'ulong', 'ptr')
const setfsuidCall = bind('setfsuid', 'int')
const setfsgidCall = bind('setfsgid', 'int')

const RLIMIT_NOFILE = 7

/** pidfd_open(2) (5.3). @throws {SyscallError} ESRCH: no such process. */
export function pidfdOpen(pid: number): Fd {
  const fd = check(pidfdOpenCall(pid, 0), {
    syscall: 'pidfd_open',
    show: () => `${pid}, 0`,
    path: `pid ${pid}`,
  })
  return new Fd(fd, `pid ${pid}`)
}

/** pidfd_getfd(2) (5.6): a copy of descriptor `number` of that process. @throws {SyscallError} EPERM, EBADF, ESRCH */
export function pidfdGetfd(pidfd: Fd, number: number): Fd {
  const fd = check(pidfdGetfdCall(pidfd.number, number, 0), {
    syscall: 'pidfd_getfd',
    show: () => `${pidfd.label}, ${number}, 0`,
    path: pidfd.label,
  })
  return new Fd(fd, `fd ${number} of ${pidfd.label}`)
}

/** pidfd_send_signal(2) (5.1); signal 0 only asks. @throws {SyscallError} ESRCH: it has ended. EPERM */
export function pidfdSendSignal(pidfd: Fd, signal: number): void {
  check(pidfdSendSignalCall(pidfd.number, signal, null, 0), {
    syscall: 'pidfd_send_signal',
    show: () => `${pidfd.label}, ${signal}`,
    path: pidfd.label,
  })
}

export interface WaitResult {
  pid: number
  /** The raw status word of wait(2). */
  status: number
}

/** wait4(2). @returns null when WNOHANG was given and nothing has happened. @throws {SyscallError} ECHILD */
export function waitpid(pid: number, options: number): WaitResult | null {
  const status = Buffer.alloc(4)
  const rc = check(wait4Call(pid, status, options, null), {
    syscall: 'wait4',
    show: () => `${pid}, ${flagNames(WAIT, options)}`,
    path: `pid ${pid}`,
  })
  return rc === 0 ? null : { pid: rc, status: status.readUInt32LE(0) }
}

/** sched_yield(2): lets another process have this processor, if one wants it. */
export function schedYield(): void {
  check(schedYieldCall(), { syscall: 'sched_yield', show: () => '' })
}

/** execve(2): this process becomes `path`; Node's other threads end. Returns only by throwing. @throws {SyscallError} */
export function execve(path: string, argv: readonly string[], env: readonly string[]): never {
  const rc = execveCall(cstr(path, 'execve'), [...argv, null], [...env, null])
  throw syscallError(-rc, { syscall: 'execve', show: () => `${quote(path)}, ${quote(argv.join(' '))}`, path })
}

/** exit_group(2): ends this process at once, without taking Node down piece by piece, and without what it has buffered. */
export function exitGroup(status: number): void {
  exitGroupCall(status)
}

/** prctl(2). @throws {SyscallError} EINVAL, EPERM */
export function prctl(option: number, arg = 0): number {
  return check(prctlCall(option, arg, 0, 0, 0), { syscall: 'prctl', show: () => `${option}, ${arg}` })
}

/** The soft limit on open files of process `pid` (0: this one). @throws {SyscallError} ESRCH, EPERM */
export function getOpenFilesLimit(pid: number): { soft: bigint; hard: bigint } {
  const limit = Buffer.alloc(16)
  check(prlimitCall(pid, RLIMIT_NOFILE, null, limit), {
    syscall: 'prlimit64',
    show: () => `${pid}, RLIMIT_NOFILE`,
  })
  return { soft: limit.readBigUInt64LE(0), hard: limit.readBigUInt64LE(8) }
}

/** Sets this process's own limit on open files. @throws {SyscallError} EPERM, EINVAL */
export function setOpenFilesLimit(soft: bigint, hard: bigint): void {
  const limit = Buffer.alloc(16)
  limit.writeBigUInt64LE(soft, 0)
  limit.writeBigUInt64LE(hard, 8)
  check(prlimitCall(0, RLIMIT_NOFILE, limit, null), {
    syscall: 'prlimit64',
    show: () => `0, RLIMIT_NOFILE, {${soft}, ${hard}}`,
  })
}

/** setresuid(2) of this thread only. @throws {SyscallError} EPERM, EAGAIN */
export function setresuid(uid: number): void {
  check(setresuidCall(uid, uid, uid), { syscall: 'setresuid', show: () => `${uid}, ${uid}, ${uid}` })
}

/** setresgid(2) of this thread only. @throws {SyscallError} EPERM */
export function setresgid(gid: number): void {
  check(setresgidCall(gid, gid, gid), { syscall: 'setresgid', show: () => `${gid}, ${gid}, ${gid}` })
}

/** setgroups(2) of this thread only. @throws {SyscallError} EPERM; EINVAL: too many */
export function setgroups(gids: readonly number[]): void {
  const list = Buffer.alloc(gids.length * 4)
  for (const [i, gid] of gids.entries()) list.writeUInt32LE(gid, i * 4)
  check(setgroupsCall(gids.length, list), { syscall: 'setgroups', show: () => gids.join(', ') })
}

/**
 * Runs `fn` with the file-system rights of a user: setfsuid(2), which also takes the file capabilities away, setfsgid(2)
 * and setgroups(2), all of this thread only, and put back after.
 * @throws {SyscallError} EPERM when a change did not take: setfsuid itself reports nothing
 */
export function withRightsOf<T>(user: { uid: number; gid: number; gids: readonly number[] }, fn: () => T): T {
  const own = process.getgroups?.() ?? []
  const [uid, gid] = [process.geteuid?.() ?? 0, process.getegid?.() ?? 0]
  setgroups(user.gids)
  setFsIds(user.uid, user.gid)
  try {
    return fn()
  } finally {
    setFsIds(uid, gid)
    setgroups(own)
  }
}

function setFsIds(uid: number, gid: number): void {
  setfsgidCall(gid)
  setfsuidCall(uid)
  // Both give the previous value whether or not they did anything; asking with an impossible id tells.
  if (setfsgidCall(-1) !== gid || setfsuidCall(-1) !== uid) {
    throw syscallError(ERRNO.EPERM, { syscall: 'setfsuid', show: () => `${uid}, ${gid}` })
  }
}

/** getrandom(2): unpredictable bytes, as hex digits, two for each. node:crypto takes milliseconds to load. */
export function randomHex(bytes: number): string {
  const buffer = Buffer.alloc(bytes)
  check(getrandomCall(buffer, bytes, 0), { syscall: 'getrandom', show: () => `${bytes}` })
  return buffer.toString('hex')
}

const [SIG_DFL, SIG_IGN] = [0, 1]

/** signal(2) with SIG_DFL. */
export function resetSignal(signal: number): void {
  dispose(signal, SIG_DFL)
}

/** signal(2) with SIG_IGN, which a child that is started after inherits. */
export function ignoreSignal(signal: number): void {
  dispose(signal, SIG_IGN)
}

/** Through libc: the layout of sigaction's argument is its business. */
function dispose(signal: number, disposition: number): void {
  libc.func('signal', 'intptr_t', ['int', 'intptr_t'])(signal, disposition)
}

const SIG_SETMASK = 2
const SIGSET_BYTES = 128 // of sigset_t in glibc and musl

/** sigprocmask(2): blocks no signal. */
export function unblockSignals(): void {
  libc.func('sigprocmask', 'int', ['int', 'void *', 'void *'])(SIG_SETMASK, Buffer.alloc(SIGSET_BYTES), null)
}
