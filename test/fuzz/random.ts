/* Chance that comes again. */
export const SEED = Number(process.env.FUZZ_SEED ?? 20240117)

/** @returns a whole number from 0 to `below` - 1 */
export type Random = (below: number) => number

/** mulberry32, a small generator whose whole state is its seed. */
export function generator(seed: number): Random {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

export const pick = <T>(random: Random, from: readonly T[]): T => from[random(from.length)] as T
