/*
 * The process that a session is for: the PAM application that waits for us. Named by a pidfd and its start time, since a
 * bare pid may be another process by the time it is used; and down to the thread, since a mount namespace is a thread's.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { UnsafePathError, UnsupportedError } from '../sys/errors.js'
import type { Fd } from '../sys/fd.js'
import { pidfdOpen, pidfdSendSignal } from '../sys/process.js'

export interface Target extends Disposable {
  readonly pid: number
  readonly tid: number
  /** The thread's directory: `/proc/PID/task/TID`. */
  readonly proc: string
  /** In clock ticks since boot, proc(5) field 22: with the pid it names a process for ever. */
  readonly startTime: string
  /** @throws {UnsafePathError} when the pid is no longer that process */
  assertUnchanged(): void
}

/** Field 22 of /proc/PID/stat. The command name in field 2 may hold spaces and brackets, so it is cut off first. */
export function startTimeOf(pid: number | 'self'): string {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const startTime = fields[19]
  if (startTime === undefined) throw new UnsupportedError(`/proc/${pid}/stat`, 'has fewer than 22 fields')
  return startTime
}

/** Whether the process that had this pid and start time is still alive. */
export function isAlive(pid: number, startTime: string): boolean {
  try {
    return startTimeOf(pid) === startTime
  } catch {
    return false
  }
}

/**
 * The process `pid`, or by default our parent: the application that pam_exec runs in.
 * @throws {UnsafePathError} when our parent is pid 1 or gone: there is nothing to adopt
 * @throws {UnsupportedError} when the target is in another pid namespace
 */
export function openTarget(pid?: number): Target {
  const parent = process.ppid
  const id = pid ?? parent
  if (id <= 1)
    throw new UnsafePathError(`process ${id}`, 'cannot be the application of a session; it may have ended')
  const pidfd = pidfdOpen(id)
  try {
    const startTime = startTimeOf(id)
    assertSamePidNamespace(id)
    const tid = pid === undefined || pid === parent ? forkingThread(id) : id
    return new OpenTarget(pidfd, id, tid, startTime)
  } catch (error) {
    pidfd[Symbol.dispose]()
    throw error
  }
}

/** This very process, for `polyns exec`: what opens the session is what runs in it. */
export function ownTarget(): Target {
  return new OpenTarget(pidfdOpen(process.pid), process.pid, process.pid, startTimeOf('self'))
}

class OpenTarget implements Target {
  constructor(
    private readonly pidfd: Fd,
    readonly pid: number,
    readonly tid: number,
    readonly startTime: string,
  ) {}

  get proc(): string {
    return `/proc/${this.pid}/task/${this.tid}`
  }

  assertUnchanged(): void {
    pidfdSendSignal(this.pidfd, 0) // ESRCH once it has ended, whoever has the number now
    if (isAlive(this.pid, this.startTime)) return
    throw new UnsafePathError(`process ${this.pid}`, 'is no longer the process that it was')
  }

  [Symbol.dispose](): void {
    this.pidfd[Symbol.dispose]()
  }
}

/** The thread of `pid` that forked us and waits for us. In a threaded application it need not be the first one. */
function forkingThread(pid: number): number {
  const threads = readdirSync(`/proc/${pid}/task`)
  if (threads.length === 1) return pid
  const self = `${process.pid}`
  const forker = threads.find((tid) => childrenOf(pid, tid).includes(self))
  if (forker !== undefined) return Number(forker)
  throw new UnsupportedError(
    `finding the thread of process ${pid} that waits for us`,
    `none of /proc/${pid}/task/*/children names ${self}; the kernel needs CONFIG_PROC_CHILDREN`,
  )
}

function childrenOf(pid: number, tid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/task/${tid}/children`, 'utf8').split(' ')
  } catch {
    return [] // the thread has just ended
  }
}

function assertSamePidNamespace(pid: number): void {
  if (readlinkSync(`/proc/${pid}/ns/pid`) === readlinkSync('/proc/self/ns/pid')) return
  throw new UnsupportedError(
    `adopting process ${pid}`,
    'it is in another pid namespace; run polyns in that one',
  )
}
