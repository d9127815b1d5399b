/* Waiting without an event loop: everything here is synchronous. */
import { monotonicMs } from './clock.js'

const never = new Int32Array(new SharedArrayBuffer(4))

/** Sleeps for `ms` milliseconds; the whole thread waits. */
export function sleepMs(ms: number): void {
  Atomics.wait(never, 0, 0, ms)
}

/** Asks every `pollMs` whether it is so, at once for the first time. @returns false when it was not within `limitMs` */
export function waitFor(limitMs: number, pollMs: number, isSo: () => boolean): boolean {
  const until = monotonicMs() + limitMs
  while (!isSo()) {
    if (monotonicMs() >= until) return false
    sleepMs(pollMs)
  }
  return true
}
