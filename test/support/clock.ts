/*
 * polyns on a machine whose wall clock is wrong, or is set while it runs. The real one is the machine's and is never touched:
 * Node is given another Date.now, which is all that it knows of that clock but for the times of files.
 */
import type { Result } from './run.js'
import type { Sandbox } from './sandbox.js'

export interface WallClock {
  /** Milliseconds by which it is ahead; less than zero: behind. */
  aheadMs: number
  /** It is right for so many looks at it, and set then. Without it, it is wrong from the start. */
  fromLook?: number
}

const PRELOAD = `
const real = Date.now
let looks = 0
const { aheadMs, fromLook = 0 } = JSON.parse(process.env.WALL_CLOCK)
Date.now = () => real() + (looks++ < fromLook ? 0 : aheadMs)`

/** Runs `polyns ARGS` under that clock. */
export async function underClock(box: Sandbox, clock: WallClock, args: readonly string[]): Promise<Result> {
  const preload = '/usr/local/lib/polyns-test/clock.cjs'
  await box.write(preload, PRELOAD)
  const argv = ['node', '--require', preload, '/opt/polyns/dist/polyns.cjs', ...args]
  return box.run(argv, { env: { WALL_CLOCK: JSON.stringify(clock) }, timeoutMs: 120_000 })
}
