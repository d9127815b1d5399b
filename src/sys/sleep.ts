/* Waiting without an event loop: everything here is synchronous. */

const never = new Int32Array(new SharedArrayBuffer(4))

/** Sleeps for `ms` milliseconds; the whole thread waits. */
export function sleepMs(ms: number): void {
  Atomics.wait(never, 0, 0, ms)
}

/** Asks every `pollMs` whether it is so, at once for the first time. @returns false when it was not within `limitMs` */
export function waitFor(limitMs: number, pollMs: number, isSo: () => boolean): boolean {
  const until = performance.now() + limitMs // no clock that somebody may set
  while (!isSo()) {
    if (performance.now() >= until) return false
    sleepMs(pollMs)
  }
  return true
}
