/*
 * ptrace(2), and the registers of a syscall on each machine. A tracer is a thread: all of this from the main thread, sync.
 * The order of calls and what they are for is ns/adopt.ts's business.
 */
import { type Machine, machine } from './arch.js'
import { bind, check } from './call.js'
import { flagNames, PTRACE_O } from './flags.js'
import { koffi } from './koffi.js'

const ptraceCall = bind('ptrace', 'long', 'int', 'ptr', 'ptr')

const REQUEST = {
  PTRACE_PEEKTEXT: 1,
  PTRACE_CONT: 7,
  PTRACE_DETACH: 17,
  PTRACE_SYSCALL: 24,
  PTRACE_GETREGSET: 0x4204,
  PTRACE_SETREGSET: 0x4205,
  PTRACE_SEIZE: 0x4206,
  PTRACE_INTERRUPT: 0x4207,
  PTRACE_GETSIGMASK: 0x420a,
  PTRACE_SETSIGMASK: 0x420b,
} as const
type Request = keyof typeof REQUEST

const NT_PRSTATUS = 1n
const SIGSET_BYTES = 8n

function ptrace(
  request: Request,
  tid: number,
  addr: bigint | null,
  data: bigint | Buffer | null,
  shown = '',
): void {
  check(ptraceCall(REQUEST[request], tid, addr, data), {
    syscall: 'ptrace',
    show: () => `${request}, ${tid}${shown === '' ? '' : `, ${shown}`}`,
    path: `thread ${tid}`,
  })
}

/** Attaches without stopping. @param options PTRACE_O_* @throws {SyscallError} EPERM: traced already, Yama, no CAP_SYS_PTRACE. ESRCH */
export function ptraceSeize(tid: number, options: number): void {
  ptrace('PTRACE_SEIZE', tid, null, BigInt(options), flagNames(PTRACE_O, options))
}

/** Asks a seized thread to stop; it does so with PTRACE_EVENT_STOP. @throws {SyscallError} ESRCH */
export function ptraceInterrupt(tid: number): void {
  ptrace('PTRACE_INTERRUPT', tid, null, null)
}

/** Lets a stopped thread go on, delivering `signal` (0: none). @throws {SyscallError} ESRCH: not stopped, or dead */
export function ptraceCont(tid: number, signal: number): void {
  ptrace('PTRACE_CONT', tid, null, BigInt(signal))
}

/** As ptraceCont, up to the next entry to or exit from a syscall. @throws {SyscallError} ESRCH */
export function ptraceSyscall(tid: number, signal: number): void {
  ptrace('PTRACE_SYSCALL', tid, null, BigInt(signal))
}

/** Ends tracing of a stopped thread; it goes on, with `signal` delivered. @throws {SyscallError} ESRCH */
export function ptraceDetach(tid: number, signal: number): void {
  ptrace('PTRACE_DETACH', tid, null, BigInt(signal))
}

/** The blocked signals of a stopped thread, as the kernel's 64-bit set. */
export function getSigmask(tid: number): Buffer {
  const mask = Buffer.alloc(Number(SIGSET_BYTES))
  ptrace('PTRACE_GETSIGMASK', tid, SIGSET_BYTES, mask)
  return mask
}

/** Sets them. */
export function setSigmask(tid: number, mask: Buffer): void {
  ptrace('PTRACE_SETSIGMASK', tid, SIGSET_BYTES, mask)
}

/** The eight bytes of the thread's memory at `address`. @throws {SyscallError} EIO: not mapped */
export function peekText(tid: number, address: bigint): Buffer {
  const word = Buffer.alloc(8)
  ptrace('PTRACE_PEEKTEXT', tid, address, word)
  return word
}

/** The general registers of a stopped thread. A 32-bit thread gives fewer bytes than {@link REGISTERS} says. */
export function getRegisters(tid: number): Buffer {
  const registers = Buffer.alloc(1024)
  const iov = iovec(registers)
  ptrace('PTRACE_GETREGSET', tid, NT_PRSTATUS, iov)
  return registers.subarray(0, Number(iov.readBigUInt64LE(8)))
}

/** Sets them. @throws {SyscallError} EINVAL, EIO: a value that the machine does not allow */
export function setRegisters(tid: number, registers: Buffer): void {
  ptrace('PTRACE_SETREGSET', tid, NT_PRSTATUS, iovec(registers))
}

function iovec(buffer: Buffer): Buffer {
  const iov = Buffer.alloc(16)
  iov.writeBigUInt64LE(koffi.address(buffer), 0)
  iov.writeBigUInt64LE(BigInt(buffer.length), 8)
  return iov
}

/** Where a machine keeps a syscall, as byte offsets into its register set. */
export interface RegisterLayout {
  bytes: number
  pc: number
  /** The register that names the syscall. */
  number: number
  args: readonly [number, number, number, number, number, number]
  result: number
  /** x86_64 only: the syscall that a stop interrupted; -1 tells the kernel that there is none to restart. */
  interrupted: number | null
  /** The syscall instruction, and how far the program counter is past it in a stop. */
  instruction: Buffer
}

const word = (index: number): number => index * 8

// struct user_regs_struct of each machine: arch/x86/include/asm/user_64.h, arch/arm64/include/uapi/asm/ptrace.h
export const REGISTERS: Readonly<Record<Machine, RegisterLayout>> = {
  x86_64: {
    bytes: word(27),
    pc: word(16),
    number: word(10),
    args: [word(14), word(13), word(12), word(7), word(9), word(8)],
    result: word(10),
    interrupted: word(15),
    instruction: Buffer.of(0x0f, 0x05),
  },
  aarch64: {
    bytes: word(34),
    pc: word(32),
    number: word(8),
    args: [word(0), word(1), word(2), word(3), word(4), word(5)],
    result: word(0),
    interrupted: null,
    instruction: Buffer.of(0x01, 0x00, 0x00, 0xd4),
  },
}

/** The layout of the machine that runs this. @throws {UnsupportedError} */
export function registerLayout(): RegisterLayout {
  return REGISTERS[machine()]
}
