/* The locks of several users at once, for as long as what is theirs is looked at and taken away. */
import { lockUser, tryLockUser } from '../session/lock.js'
import { messageOf } from '../sys/errors.js'
import type { Fd } from '../sys/fd.js'

/** Let go when it is disposed. */
export class Locks implements Disposable {
  readonly #held = new Map<number, Fd>()

  /** @returns why it could not be had; null: it is held */
  take(uid: number): string | null {
    if (this.#held.has(uid)) return null
    try {
      const lock = tryLockUser(uid)
      if (lock === null) return 'a session is being opened or closed'
      this.#held.set(uid, lock)
      return null
    } catch (error) {
      return messageOf(error) // no room for the file on /run: those of the others go all the same
    }
  }

  /** Takes it as soon as it is free. @throws {UnsupportedError} see {@link lockUser} */
  wait(uid: number): void {
    if (!this.#held.has(uid)) this.#held.set(uid, lockUser(uid))
  }

  [Symbol.dispose](): void {
    for (const lock of this.#held.values()) lock[Symbol.dispose]()
  }
}
