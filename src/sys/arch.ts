/*
 * Syscall numbers and the machine's name. polyns calls by number: the libc of a supported machine may be older than the
 * call (open_tree in glibc 2.36, openat2 in none).
 */
import { UnsupportedError } from './errors.js'

// name: [x86_64, aarch64], from the kernel's syscall_64.tbl and asm-generic/unistd.h.
const NUMBERS = {
  close: [3, 57],
  connect: [42, 203],
  execve: [59, 221],
  exit_group: [231, 94],
  fchdir: [81, 50],
  fchmod: [91, 52],
  fchown: [93, 55],
  fcntl: [72, 25],
  flock: [73, 32],
  fsconfig: [431, 431],
  fsmount: [432, 432],
  fsopen: [430, 430],
  getdents64: [217, 61],
  getrandom: [318, 278],
  getxattr: [191, 8],
  ioctl: [16, 29],
  listmount: [458, 458],
  listxattr: [194, 11],
  mkdirat: [258, 34],
  mount: [165, 40],
  mount_setattr: [442, 442],
  move_mount: [429, 429],
  open_tree: [428, 428],
  openat2: [437, 437],
  pidfd_getfd: [438, 438],
  pidfd_open: [434, 434],
  pidfd_send_signal: [424, 424],
  pivot_root: [155, 41],
  prctl: [157, 167],
  prlimit64: [302, 261],
  ptrace: [101, 117],
  readlinkat: [267, 78],
  removexattr: [197, 14],
  renameat2: [316, 276],
  sched_yield: [24, 124],
  sendto: [44, 206],
  setfsgid: [123, 152],
  setfsuid: [122, 151],
  setgroups: [116, 159],
  setns: [308, 268],
  setresgid: [119, 149],
  setresuid: [117, 147],
  setsockopt: [54, 208],
  setxattr: [188, 5],
  socket: [41, 198],
  statmount: [457, 457],
  statx: [332, 291],
  umount2: [166, 39],
  uname: [63, 160],
  unlinkat: [263, 35],
  unshare: [272, 97],
  wait4: [61, 260],
} as const

export type SyscallName = keyof typeof NUMBERS
export type Machine = 'x86_64' | 'aarch64'

export const syscallNames = Object.keys(NUMBERS) as SyscallName[]

/** The machine as uname(2) calls it. @throws {UnsupportedError} on any other. */
export function machine(arch: string = process.arch): Machine {
  if (arch === 'x64') return 'x86_64'
  if (arch === 'arm64') return 'aarch64'
  throw new UnsupportedError(`processor '${arch}'`, 'polyns knows x86_64 and aarch64')
}

/** The number of `name` on `on`, by default the machine that runs this. */
export function syscallNumber(name: SyscallName, on: Machine = machine()): number {
  return NUMBERS[name][on === 'x86_64' ? 0 : 1]
}
