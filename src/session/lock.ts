/*
 * One lock a user: sessions of one user open one after the other, and never while that user's instance is taken away. Who waits
 * goes by whether the others get on: hundreds of logins of one user may be in front, and each of them may need its time; but
 * one process that never lets go must be named, before the time limit of the whole login ends it without a word on that.
 */
import { readdirSync } from 'node:fs'
import { LOCK_DIRECTORY } from '../ns/rundir.js'
import { note } from '../sys/call.js'
import { monotonicMs } from '../sys/clock.js'
import { UnsupportedError } from '../sys/errors.js'
import type { Fd } from '../sys/fd.js'
import { LOCK, O, RESOLVE } from '../sys/flags.js'
import { flock, openat2 } from '../sys/path.js'
import { sleepMs } from '../sys/sleep.js'
import { type Holder, holderOf } from './lock-holder.js'

/** How long one and the same process may hold it; and how long one that is stopped. */
const UNMOVED_MS = 30_000
const STOPPED_MS = 1000
const LOOK_MS = 200
/** Hundreds that wait must leave the processors to the one that works: who waits longer asks less often. */
const POLL_MS = { least: 5, most: 25, ofWait: 0.05 }

/**
 * flock(2) on /run/polyns/lock/UID, held until the result is disposed or this process ends. There is no limit while it goes from
 * one to the next: a login has its own.
 * @throws {UnsupportedError} one process has held it for 30 s, or is stopped
 */
export function lockUser(uid: number): Fd {
  const file = openLock(uid)
  try {
    takeInTurn(file)
    return file
  } catch (error) {
    file[Symbol.dispose]()
    throw error
  }
}

/** The same without waiting. @returns null when somebody else holds it */
export function tryLockUser(uid: number): Fd | null {
  const file = openLock(uid)
  if (take(file)) return file
  file[Symbol.dispose]()
  return null
}

const take = (file: Fd): boolean => flock(file, LOCK.LOCK_EX | LOCK.LOCK_NB)

function takeInTurn(file: Fd): void {
  const start = monotonicMs()
  const queue = new Queue(file, start)
  let lookMs = start
  while (!take(file)) {
    const now = monotonicMs()
    if (now >= lookMs) {
      queue.look(now)
      lookMs = now + LOOK_MS
    }
    sleepMs(Math.min(POLL_MS.least + (now - start) * POLL_MS.ofWait, POLL_MS.most))
  }
}

/** Those in front of us, as far as can be seen: who holds it. */
class Queue {
  #holder: Holder | null = null
  #movedMs: number
  #ranMs: number

  constructor(
    private readonly file: Fd,
    start: number,
  ) {
    this.#movedMs = start
    this.#ranMs = start
  }

  /** @throws {UnsupportedError} it does not move */
  look(now: number): void {
    const found = holderOf(this.file)
    if (found?.pid !== this.#holder?.pid || found?.startTime !== this.#holder?.startTime) this.#movedMs = now
    if (found?.isStopped !== true) this.#ranMs = now
    this.#holder = found
    note(found === null ? 'flock' : `wait for ${nameOf(found)} in flock`, this.file.label)
    if (now - this.#ranMs >= STOPPED_MS) throw this.#hung('is stopped and holds it')
    if (now - this.#movedMs >= UNMOVED_MS) throw this.#hung(`has held it for ${UNMOVED_MS / 1000} s`)
  }

  #hung(what: string): UnsupportedError {
    const { label } = this.file
    const holder = this.#holder
    if (holder === null) {
      const why = `a process that cannot be seen from here ${what}; 'fuser -v ${label}' may name it`
      return new UnsupportedError(`the lock ${label}`, why)
    }
    return new UnsupportedError(`the lock ${label}`, `${nameOf(holder)} ${what}; let it go on, or end it`)
  }
}

const nameOf = ({ pid, name }: Holder): string => `process ${pid} (${name})`

/** Whether each lock is free at some moment of this call: who was making a session's directories when it began is done then. */
export function wasEveryLockFree(): boolean {
  return names().every((name) => {
    using lock = tryLockUser(Number(name))
    return lock !== null
  })
}

function names(): string[] {
  try {
    return readdirSync(LOCK_DIRECTORY).filter((name) => /^\d+$/.test(name))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [] // no session was ever opened
    throw error
  }
}

function openLock(uid: number): Fd {
  const path = `${LOCK_DIRECTORY}/${uid}`
  return openat2(null, path, O.O_RDWR | O.O_CREAT | O.O_NOFOLLOW, RESOLVE.RESOLVE_NO_SYMLINKS, 0o600)
}
