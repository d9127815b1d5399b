/*
 * File descriptors that somebody owns. Returned, an Fd is given away; as a parameter it is lent.
 * A forgotten one is -EBADF and never AT_FDCWD, so it cannot come to mean the current directory.
 */
import { bind, check, ignoring } from './call.js'

export const AT_FDCWD = -100

const closeCall = bind('close', 'int')
const fcntlCall = bind('fcntl', 'int', 'int', 'int')

const F_SETFD = 2

/** close(2). @throws {SyscallError} EBADF, EIO */
export function close(fd: number): void {
  check(closeCall(fd), { syscall: 'close', show: () => `${fd}` })
}

/** fcntl(2), F_SETFD without FD_CLOEXEC: the descriptor stays open in what this process becomes. @throws {SyscallError} EBADF */
export function keepOnExec(fd: number): void {
  check(fcntlCall(fd, F_SETFD, 0), { syscall: 'fcntl', show: () => `${fd}, F_SETFD, 0` })
}

/** An open file descriptor with a label for messages: the path it was opened by, and the side it sees. */
export class Fd {
  #number: number

  constructor(
    number: number,
    readonly label: string,
  ) {
    this.#number = number
  }

  /** @throws {Error} after it was closed or given away: a defect of polyns. */
  get number(): number {
    if (this.#number < 0) throw new Error(`the descriptor of ${this.label} is closed`)
    return this.#number
  }

  /** For calls that take only a path. Resolves to the very object opened, by a magic link. */
  get procPath(): string {
    return `/proc/self/fd/${this.number}`
  }

  /** Gives the number away; this object no longer closes it. */
  release(): number {
    const number = this.number
    this.#number = -1
    return number
  }

  [Symbol.dispose](): void {
    if (this.#number < 0) return
    const number = this.#number
    this.#number = -1
    // Nothing that was written depends on it, and a session that is open must not fail for that.
    ignoring(['EIO', 'EINTR', 'ENOSPC', 'EDQUOT'], 'it is closed all the same', () => close(number))
  }
}
