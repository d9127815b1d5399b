/*
 * The process that a session is for: the PAM application that waits for us. Named by a pidfd and its start time, since a
 * bare pid may be another process by the time it is used; and down to the thread, since a mount namespace is a thread's.
 */
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { UnsafePathError, UnsupportedError } from '../sys/errors.js'
import type { Fd } from '../sys/fd.js'
import { pidfdOpen, pidfdSendSignal } from '../sys/process.js'
import { isExecutable, shippedPath } from '../sys/program.js'

export interface Target extends Disposable {
  readonly pid: number
  readonly tid: number
  /** The thread's directory: `/proc/PID/task/TID`. */
  readonly proc: string
  /** In clock ticks since boot, proc(5) field 22: with the pid it names a process for ever. */
  readonly startTime: string
  /** At the end of a session the launcher is between us and it, and waits too: tools/launcher. */
  readonly launcher: number | null
  /** @throws {UnsafePathError} when the pid is no longer that process */
  assertUnchanged(): void
}

/** Field 22 of /proc/PID/stat. The command name in field 2 may hold spaces and brackets, so {@link statFields} cuts it off. */
export function startTimeOf(pid: number | 'self'): string {
  const startTime = statFields(readStat(pid))[19]
  if (startTime === undefined) throw new UnsupportedError(`/proc/${pid}/stat`, 'has fewer than 22 fields')
  return startTime
}

/** The text of /proc/PID/stat, from field 3 on. */
export function statFields(stat: string): string[] {
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}

function readStat(pid: number | 'self'): string {
  return readFileSync(`/proc/${pid}/stat`, 'utf8')
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
 * The process `pid`, or by default our parent: the application that pam_exec runs in. At the end of a session, `isClose`, it is the
 * launcher's parent.
 * @throws {UnsafePathError} when our parent is pid 1 or gone: there is nothing to adopt
 * @throws {UnsupportedError} when the target is in another pid namespace
 */
export function openTarget(pid?: number, { isClose } = { isClose: false }): Target {
  const launcher = isClose ? waitingLauncher(process.ppid) : null
  const parent = launcher === null ? process.ppid : Number(statFields(readStat(launcher))[1])
  const id = pid ?? parent
  if (id <= 1)
    throw new UnsafePathError(`process ${id}`, 'cannot be the application of a session; it may have ended')
  const pidfd = pidfdOpen(id)
  try {
    const startTime = startTimeOf(id)
    assertSamePidNamespace(id)
    const tid = pid === undefined || pid === parent ? forkingThread(id, launcher ?? process.pid) : id
    return new OpenTarget(pidfd, id, tid, startTime, launcher)
  } catch (error) {
    pidfd[Symbol.dispose]()
    throw error
  }
}

/** This very process, for `polyns exec`: what opens the session is what runs in it. */
export function ownTarget(): Target {
  return new OpenTarget(pidfdOpen(process.pid), process.pid, process.pid, startTimeOf('self'), null)
}

class OpenTarget implements Target {
  constructor(
    private readonly pidfd: Fd,
    readonly pid: number,
    readonly tid: number,
    readonly startTime: string,
    readonly launcher: number | null,
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

/**
 * @returns `parent` if that runs the launcher of this program, which has a child only to wait for it. What a process runs the
 * kernel says; no environment does.
 */
function waitingLauncher(parent: number): number | null {
  const own = shippedPath(isExecutable ? 'polyns' : 'bin/polyns')
  const exe = `/proc/${parent}/exe`
  try {
    const path = readlinkSync(exe).replace(/ \(deleted\)$/, '') // an upgrade may have replaced it just now
    return path === own || isCopy(exe, own) ? parent : null
  } catch {
    return null // it has ended, or may not be looked at: then we are not root, and close nothing
  }
}

function isCopy(a: string, b: string): boolean {
  return statSync(a).size === statSync(b).size && readFileSync(a).equals(readFileSync(b))
}

/** The thread of `pid` that forked `child` and waits for it. In a threaded application it need not be the first one. */
function forkingThread(pid: number, child: number): number {
  const threads = readdirSync(`/proc/${pid}/task`)
  if (threads.length === 1) return pid
  const forker = threads.find((tid) => childrenOf(pid, tid).includes(`${child}`))
  if (forker !== undefined) return Number(forker)
  throw new UnsupportedError(
    `finding the thread of process ${pid} that waits for us`,
    `none of /proc/${pid}/task/*/children names ${child}; the kernel needs CONFIG_PROC_CHILDREN`,
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
