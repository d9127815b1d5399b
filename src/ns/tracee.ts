/*
 * A thread that we hold by ptrace and let make syscalls of our choosing. It was stopped in, or next to, a syscall: that very
 * instruction is run again with other registers, so neither its code nor its memory is written. Arguments are integers.
 * Put back, the thread repeats the syscall that the stop interrupted and never sees -ERESTARTSYS.
 */
import { readFileSync } from 'node:fs'
import { type SyscallName, syscallNumber } from '../sys/arch.js'
import { check, ignoring } from '../sys/call.js'
import { monotonicMs } from '../sys/clock.js'
import { UnsupportedError } from '../sys/errors.js'
import { PTRACE_O, WAIT } from '../sys/flags.js'
import { explainRights } from '../sys/probe.js'
import { schedYield, waitpid } from '../sys/process.js'
import {
  getRegisters,
  getSigmask,
  peekText,
  ptraceCont,
  ptraceDetach,
  ptraceInterrupt,
  ptraceSeize,
  ptraceSyscall,
  type RegisterLayout,
  registerLayout,
  setRegisters,
  setSigmask,
} from '../sys/ptrace.js'
import { FILTER_OF_SERVICE } from '../sys/seccomp.js'
import { sleepMs } from '../sys/sleep.js'

const PTRACE_EVENT_STOP = 128
const SIGTRAP = 5
const SYSCALL_STOP = SIGTRAP | 0x80 // PTRACE_O_TRACESYSGOOD
// Kernel-internal results, linux/errno.h: ERESTARTSYS, ERESTARTNOINTR, ERESTARTNOHAND, ERESTART_RESTARTBLOCK.
const RESTART = new Set([-512n, -513n, -514n, -516n])
const TIMEOUT_MS = 5000
const YIELDS = 20
const ALL_SIGNALS = Buffer.alloc(8, 0xff)
const OPTIONS = PTRACE_O.PTRACE_O_EXITKILL | PTRACE_O.PTRACE_O_TRACESYSGOOD

interface Stop {
  signal: number
  /** PTRACE_EVENT_*, 0 for a plain signal. */
  event: number
}

export class Tracee {
  #attached = true
  #signals: number[] = []

  private constructor(
    readonly tid: number,
    private readonly layout: RegisterLayout,
    private readonly registers: Buffer,
    private readonly instruction: bigint,
    private readonly sigmask: Buffer,
    /** A seccomp filter of its own judges what it does for us, too. */
    private readonly isJudged: boolean,
  ) {}

  /**
   * Stops the thread at a place where it can make syscalls for us, its signals blocked. From here on our death is its death.
   * @throws {UnsupportedError} traced already, forbidden (with the setting that forbids), a 32-bit program, or not to be stopped
   */
  static seize(tid: number): Tracee {
    const layout = registerLayout()
    const status = readFileSync(`/proc/${tid}/status`, 'utf8')
    const tracer = /\nTracerPid:\s*(\d+)/.exec(status)?.[1] ?? '0'
    if (tracer !== '0') {
      const why = `process ${tracer} (${nameOf(tracer)}) traces it already`
      throw new UnsupportedError(`adopting thread ${tid}`, why)
    }
    const isFiltered = !/\nSeccomp:\s*0\n/.test(status)
    const isJudged = isFiltered && !seizeWithoutFilter(tid)
    try {
      if (isJudged || !isFiltered) ptraceSeize(tid, OPTIONS)
    } catch (error) {
      throw explainRights(`adopting thread ${tid}`, error)
    }
    const held: Held = { sigmask: null }
    try {
      const { registers, instruction, sigmask } = stopAtSyscall(tid, layout, held)
      return new Tracee(tid, layout, registers, instruction, sigmask, isJudged)
    } catch (error) {
      letGo(tid, held)
      throw error
    }
  }

  /** Lets the thread make one syscall. @returns its result @throws {SyscallError} what the kernel refused it */
  call(name: SyscallName, ...args: number[]): number {
    let result: number
    try {
      result = this.#make(name, args)
    } catch (error) {
      this.abandon() // half way through a syscall there is no state to go back to
      throw error
    }
    try {
      return check(result, {
        syscall: name,
        show: () => `${args.join(', ')}) by thread (${this.tid}`,
        path: `thread ${this.tid}`,
      })
    } catch (error) {
      if (!this.isJudged || name === 'fchdir') throw error // that one may fail, whatever for
      const why = `${FILTER_OF_SERVICE} may forbid ${name} to it: allow @process and @debug there`
      throw new UnsupportedError(`adopting thread ${this.tid}`, why, { cause: error })
    }
  }

  #make(name: SyscallName, args: readonly number[]): number {
    const { layout, tid } = this
    const registers = Buffer.from(this.registers)
    registers.writeBigUInt64LE(this.instruction, layout.pc)
    if (layout.interrupted !== null) registers.writeBigInt64LE(-1n, layout.interrupted)
    for (const [i, offset] of layout.args.entries()) registers.writeBigInt64LE(BigInt(args[i] ?? 0), offset)
    registers.writeBigInt64LE(BigInt(syscallNumber(name)), layout.number)
    setRegisters(tid, registers)
    this.#runToSyscallStop() // the entry
    this.#runToSyscallStop() // the exit
    return Number(getRegisters(tid).readBigInt64LE(layout.result))
  }

  #runToSyscallStop(): void {
    for (;;) {
      ptraceSyscall(this.tid, 0)
      const { signal, event } = waitForStop(this.tid)
      if (signal === SYSCALL_STOP) return
      // SIGSTOP cannot be blocked. It is held back, and handed on at the end; a group stop comes back by itself.
      if (event === 0) this.#signals.push(signal)
    }
  }

  /** The thread must not go on: it stays stopped as it is, and ends with this process. */
  abandon(): void {
    this.#attached = false
  }

  get abandoned(): boolean {
    return !this.#attached
  }

  /** Puts registers and signal mask back and lets the thread go on where it was. */
  [Symbol.dispose](): void {
    if (!this.#attached) return
    this.#attached = false
    ignoring(['ESRCH'], 'the thread has ended', () => {
      setRegisters(this.tid, resumed(this.layout, this.registers, this.instruction))
      setSigmask(this.tid, this.sigmask)
      ptraceDetach(this.tid, this.#signals[0] ?? 0)
    })
  }
}

/**
 * Seizes it with its seccomp filter suspended. @returns false: not done. EPERM: this process has a filter itself, from the
 * same service as a rule, and may not lift the other's. EINVAL: the kernel has no CONFIG_CHECKPOINT_RESTORE.
 */
function seizeWithoutFilter(tid: number): boolean {
  const why = 'its filter judges our calls then'
  return (
    ignoring(['EPERM', 'EINVAL'], why, () => {
      ptraceSeize(tid, OPTIONS | PTRACE_O.PTRACE_O_SUSPEND_SECCOMP)
      return true
    }) ?? false
  )
}

function nameOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim()
  } catch {
    return 'ended meanwhile'
  }
}

/** The registers with which the thread makes the interrupted syscall again, or goes on if none was interrupted. */
export function resumed(layout: RegisterLayout, saved: Buffer, instruction: bigint): Buffer {
  const registers = Buffer.from(saved)
  // aarch64 winds the program counter back by itself before the stop.
  if (layout.interrupted === null) return registers
  const number = saved.readBigInt64LE(layout.interrupted)
  if (number >= 0n && RESTART.has(saved.readBigInt64LE(layout.result))) {
    registers.writeBigUInt64LE(instruction, layout.pc)
    registers.writeBigInt64LE(number, layout.number)
  }
  registers.writeBigInt64LE(-1n, layout.interrupted)
  return registers
}

/** The signals that the thread itself had blocked, once we have blocked all. */
interface Held {
  sigmask: Buffer | null
}

/**
 * Interrupts the thread until it stands at a syscall instruction. At its first stop all signals are blocked: somebody who sends
 * one after the other could keep us from it for ever. What comes meanwhile, a signal that it was stopped for too, stays
 * pending, and reaches it when it is let go.
 */
function stopAtSyscall(tid: number, layout: RegisterLayout, held: Held) {
  const deadline = monotonicMs() + TIMEOUT_MS
  do {
    ptraceInterrupt(tid)
    const { signal, event } = waitForStop(tid)
    const sigmask = held.sigmask ?? getSigmask(tid)
    if (held.sigmask === null) setSigmask(tid, ALL_SIGNALS)
    held.sigmask = sigmask
    if (event === PTRACE_EVENT_STOP) {
      const registers = getRegisters(tid)
      if (registers.length !== layout.bytes)
        throw new UnsupportedError(`adopting thread ${tid}`, 'it runs a 32-bit program')
      const instruction = syscallInstruction(tid, layout, registers)
      if (instruction !== null) return { registers, instruction, sigmask }
    }
    // In a signal handler, or computing: it will be back in its wait soon.
    ptraceCont(tid, event === 0 ? signal : 0)
    sleepMs(1)
  } while (monotonicMs() < deadline)
  throw new UnsupportedError(`adopting thread ${tid}`, `it was in no system call for ${TIMEOUT_MS / 1000} s`)
}

/** Gives up a thread of which nothing has changed yet. Where even that fails, it ends with this process. */
function letGo(tid: number, { sigmask }: Held): void {
  const detach = () => {
    if (sigmask !== null) setSigmask(tid, sigmask)
    ptraceDetach(tid, 0)
    return true
  }
  try {
    if (ignoring(['ESRCH'], 'it is running, and only a stopped thread can be let go', detach)) return
    ptraceInterrupt(tid)
    waitForStop(tid)
    detach()
  } catch {
    // It has ended, or does not stop. The error that led here says more.
  }
}

/** Where a syscall instruction is: at the program counter (aarch64, wound back) or right before it. */
function syscallInstruction(tid: number, layout: RegisterLayout, registers: Buffer): bigint | null {
  const pc = registers.readBigUInt64LE(layout.pc)
  const { instruction } = layout
  for (const address of [pc - BigInt(instruction.length), pc]) {
    if (address < 0n) continue
    const found = ignoring(['EIO', 'EFAULT'], 'nothing is mapped there', () => peekText(tid, address))
    if (found?.subarray(0, instruction.length).equals(instruction)) return address
  }
  return null
}

function waitForStop(tid: number): Stop {
  const deadline = monotonicMs() + TIMEOUT_MS
  for (let tries = 0; ; tries++) {
    const result = waitpid(tid, WAIT.__WALL | WAIT.WNOHANG)
    if (result === null) {
      if (monotonicMs() > deadline) throw new UnsupportedError(`adopting thread ${tid}`, 'it does not stop')
      // Up to 60 us on an idle machine, so a timer would cost more than the wait; but the thread may need this processor,
      // and where many wait for one, to ask on and on takes it from all of them.
      if (tries < YIELDS) schedYield()
      else sleepMs(0.1)
      continue
    }
    if ((result.status & 0xff) === 0x7f)
      return { signal: (result.status >> 8) & 0xff, event: result.status >> 16 }
    throw new UnsupportedError(`adopting thread ${tid}`, 'it has ended meanwhile')
  }
}
