/*
 * The faults that are tried: every call of a recorded run is made to fail once with each errno that its man page lists, and
 * to kill the program once. A run of all of them takes long, so the usual one takes a part, which a seed chooses.
 */

export interface Point {
  syscall: string
  /** Of all calls of that name which the program's main thread makes, from 1. */
  nth: number
  /** `ptrace(PTRACE_SEIZE, N...`: the same for calls alike. */
  site: string
  /** Before the first line of polyns. */
  isStart: boolean
  /** `EPERM`, `KILL` */
  fault: string
  /** Whether no other thread makes so many of these calls: then strace can watch all of them. */
  follow: boolean
}

type Call = Omit<Point, 'fault'>

// By the ERRORS of each call's page in section 2, those that a healthy program can meet. What is not here cannot fail.
const ERRNOS: Readonly<Record<string, string>> = {
  access: 'EACCES ELOOP ENOENT ENOTDIR EROFS EIO ENOMEM',
  brk: 'ENOMEM',
  chmod: 'EACCES EIO ENOENT ENOMEM EPERM EROFS',
  clone: 'EAGAIN ENOMEM EPERM ENOSPC',
  clone3: 'EAGAIN ENOMEM EPERM ENOSPC',
  close: 'EIO EINTR ENOSPC EDQUOT',
  connect: 'EACCES EPERM EAGAIN ECONNREFUSED EINTR ENETUNREACH ETIMEDOUT',
  epoll_create1: 'EMFILE ENFILE ENOMEM',
  epoll_ctl: 'ENOENT ENOMEM ENOSPC EPERM',
  epoll_pwait: 'EINTR',
  execve: 'EACCES EAGAIN EIO EMFILE ENOENT ENOEXEC ENOMEM EPERM ETXTBSY',
  fchdir: 'EACCES ENOTDIR EIO',
  fchmod: 'EIO EPERM EROFS',
  fchown: 'EIO EPERM EROFS EDQUOT',
  fcntl: 'EACCES EAGAIN EINTR EMFILE EPERM',
  flock: 'EAGAIN EINTR ENOLCK',
  fsconfig: 'EINVAL EPERM ENOMEM EBUSY ENXIO',
  fsmount: 'EPERM ENOMEM EMFILE ENFILE EBUSY',
  fsopen: 'EPERM ENOMEM EMFILE ENODEV',
  fstat: 'ENOMEM EOVERFLOW',
  fsync: 'EIO ENOSPC EDQUOT EROFS EINTR',
  futex: 'EAGAIN EINTR ENOMEM',
  getdents64: 'ENOENT EIO',
  getgroups: 'EINVAL',
  getrandom: 'EAGAIN EINTR ENOSYS',
  getsockname: 'ENOBUFS',
  getsockopt: 'ENOPROTOOPT',
  getxattr: 'ENODATA EOPNOTSUPP EACCES ENOENT EIO',
  ioctl: 'ENOTTY EINVAL EPERM',
  listxattr: 'EOPNOTSUPP EACCES ENOENT EIO',
  lseek: 'EINVAL EOVERFLOW',
  madvise: 'EAGAIN ENOMEM',
  mkdir: 'EACCES EDQUOT EEXIST ENOENT ENOMEM ENOSPC EPERM EROFS',
  mkdirat: 'EACCES EDQUOT EEXIST ENOENT ENOMEM ENOSPC EPERM EROFS',
  mmap: 'EAGAIN ENFILE ENODEV ENOMEM EPERM',
  mount: 'EACCES EBUSY EINVAL ELOOP ENOENT ENOMEM EPERM',
  mount_setattr: 'EBUSY EINVAL ENOENT ENOMEM EPERM',
  move_mount: 'EINVAL EACCES EBUSY ELOOP ENOENT ENOMEM ENOSPC EPERM',
  mprotect: 'EACCES ENOMEM',
  munmap: 'ENOMEM',
  newfstatat: 'EACCES ELOOP ENOENT ENOMEM ENOTDIR EIO',
  open_tree: 'EACCES EINVAL EMFILE ENFILE ENOENT ENOMEM EPERM',
  openat: 'EACCES EINTR EIO ELOOP EMFILE ENFILE ENOENT ENOMEM ENOSPC ENOTDIR EPERM EROFS',
  openat2: 'EAGAIN EACCES EINTR EIO ELOOP EMFILE ENFILE ENOENT ENOMEM ENOSPC ENOTDIR EPERM EROFS EXDEV',
  pidfd_open: 'EINVAL EMFILE ENFILE ENOMEM ESRCH',
  pidfd_send_signal: 'EPERM ESRCH',
  pipe2: 'EMFILE ENFILE',
  poll: 'EINTR ENOMEM',
  prctl: 'EINVAL EPERM EACCES',
  pread64: 'EINTR EIO',
  prlimit64: 'EPERM ESRCH',
  ptrace: 'EBUSY EFAULT EINVAL EIO EPERM ESRCH',
  read: 'EAGAIN EINTR EIO EISDIR',
  readlink: 'EACCES EINVAL EIO ELOOP ENOENT ENOMEM ENOTDIR',
  readlinkat: 'EACCES EINVAL EIO ELOOP ENOENT ENOMEM ENOTDIR',
  recvfrom: 'EAGAIN ECONNREFUSED EINTR ENOMEM',
  rename: 'EACCES EBUSY EDQUOT ENOENT ENOMEM ENOSPC EPERM EROFS EXDEV',
  renameat2: 'EACCES EBUSY EDQUOT EEXIST EINVAL ENOENT ENOMEM ENOSPC EPERM EROFS EXDEV',
  rmdir: 'EACCES EBUSY ENOENT ENOMEM ENOTEMPTY EPERM EROFS',
  rt_sigaction: 'EINVAL',
  rt_sigprocmask: 'EINVAL',
  sendto: 'EAGAIN ECONNREFUSED EINTR ENOBUFS ENOMEM ENOTCONN EPIPE',
  setgroups: 'EPERM EINVAL ENOMEM',
  setns: 'EINVAL ENOMEM EPERM ESRCH',
  setresgid: 'EAGAIN EPERM',
  setresuid: 'EAGAIN EPERM',
  setsockopt: 'ENOPROTOOPT',
  socket: 'EACCES EAFNOSUPPORT EMFILE ENFILE ENOBUFS ENOMEM',
  statx: 'EACCES ELOOP ENOENT ENOMEM ENOTDIR EIO',
  timer_create: 'EAGAIN EINVAL ENOMEM',
  timer_settime: 'EINVAL',
  umount2: 'EAGAIN EBUSY EINVAL ENOENT ENOMEM EPERM',
  uname: 'EFAULT',
  unlink: 'EACCES EBUSY EIO ENOENT ENOMEM EPERM EROFS',
  unlinkat: 'EACCES EBUSY EIO ENOENT ENOMEM ENOTEMPTY EPERM EROFS',
  unshare: 'EINVAL ENOMEM ENOSPC EPERM EUSERS',
  utimensat: 'EACCES EPERM EROFS',
  wait4: 'ECHILD EINTR',
  write: 'EAGAIN EDQUOT EFBIG EINTR EIO ENOSPC EPERM EPIPE',
}

/** strace's options for a run that is only recorded. */
export const RECORD = '-f -s 200'

export function optionsFor({ syscall, nth, fault, follow }: Point): string {
  const what = fault === 'KILL' ? 'signal=KILL' : `error=${fault}`
  const inject = `-e trace=${syscall},ptrace -e inject=${syscall}:${what}:when=${nth}`
  // With its filter strace is faster, but sends no signals (seen with 6.1).
  return follow ? `-f ${fault === 'KILL' ? '' : '--seccomp-bpf '}${inject}` : inject
}

/** The calls of the main thread that `log`, an strace of all threads, tells of, from the start of Node on. */
export function callsIn(log: string): Call[] {
  const lines = [...log.matchAll(/^(\d+) +(\w+)\((.*)$/gm)].map(([, pid, name = '', rest = '']) => {
    return { pid, syscall: name, rest }
  })
  const main = lines[0]?.pid
  const counts = new Map<string, number>()
  for (const { pid, syscall } of lines) {
    const key = `${pid} ${syscall}`
    counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  const others = (syscall: string) =>
    Math.max(
      0,
      ...[...counts]
        .filter(([key]) => key.endsWith(` ${syscall}`) && !key.startsWith(`${main} `))
        .map(([, n]) => n),
    )
  const seen = new Map<string, number>()
  const calls: Call[] = []
  let isNode = false
  let isStart = true
  for (const { pid, syscall, rest } of lines) {
    if (pid !== main) continue
    const nth = (seen.get(syscall) ?? 0) + 1
    seen.set(syscall, nth)
    isNode ||= syscall === 'execve' && /^"[^"]*\/node"/.test(rest)
    // The first thing that polyns does, whichever command it is, is to ask who it is; before, it was read.
    isStart &&= syscall !== 'geteuid' || !calls.some(({ site }) => /^openat\(.*\.cjs/.test(site))
    const site = `${syscall}(${rest.replace(/0x[0-9a-f]+|\d+/g, 'N').replace(/[0-9a-f]{16}/g, 'N')}`.slice(
      0,
      70,
    )
    if (isNode) calls.push({ syscall, nth, site, isStart, follow: others(syscall) < nth })
  }
  return calls
}

/** Every fault there is. Of what Node does by itself, before polyns and to its memory, one errno each is enough. */
export function allPoints(calls: readonly Call[], random: () => number): Point[] {
  return calls.flatMap((call) => {
    const errnos = errnosOf(call)
    const some = isNodes(call) && errnos.length > 1 ? [pick(errnos, random)] : errnos
    return [...some, 'KILL'].map((fault) => ({ ...call, fault }))
  })
}

/**
 * Each site with one errno and one kill, and then what chance brings, up to `count`.
 * @param options.both false: each site with one of the two
 */
export function somePoints(
  calls: readonly Call[],
  random: () => number,
  { count, both }: { count: number; both: boolean },
): Point[] {
  const sites = new Map<string, Call[]>()
  for (const call of calls) {
    if (isNodes(call)) continue
    sites.set(call.site, [...(sites.get(call.site) ?? []), call])
  }
  const chosen = new Map<string, Point>()
  const add = (point: Point) => chosen.set(`${point.syscall} ${point.nth} ${point.fault}`, point)
  for (const alike of sites.values()) {
    const errnos = alike.flatMap((call) => errnosOf(call).map((fault) => ({ ...call, fault })))
    const kill = both || errnos.length === 0 || random() < 0.5
    if (errnos.length > 0 && (both || !kill)) add(pick(errnos, random))
    if (kill) add({ ...pick(alike, random), fault: 'KILL' })
  }
  const all = allPoints(calls, random)
  while (chosen.size < Math.min(count, all.length)) add(pick(all, random))
  return [...chosen.values()]
}

/** A generator of numbers from 0 to 1 that gives the same ones for the same seed: mulberry32. */
export function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let x = Math.imul(state ^ (state >>> 15), 1 | state)
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32
  }
}

function errnosOf({ syscall }: Call): string[] {
  return ERRNOS[syscall]?.split(' ') ?? []
}

function isNodes({ isStart, syscall }: Call): boolean {
  return isStart || /^(brk|futex|madvise|mmap|mprotect|munmap|epoll_\w+|rt_sig\w+)$/.test(syscall)
}

function pick<T>(items: readonly T[], random: () => number): T {
  const item = items[Math.floor(random() * items.length)]
  if (item === undefined) throw new Error('there is nothing to choose from')
  return item
}
