/* Sizes and times as people read them. Pure. */
import type { Usage } from '../cleanup/usage.js'

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const

/** `0 B`, `9.5 KiB`, `120 MiB`: never more than three figures before the unit, or four. */
export function sizeWords(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1024
    unit++
  }
  return `${unit === 0 || value >= 9.95 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`
}

/** `> 1.2 GiB` where there is more; `not measured`. */
export function usageWords(usage: Pick<Usage, 'bytes' | 'complete'> | null): string {
  if (usage === null) return 'not measured'
  return `${usage.complete ? '' : '> '}${sizeWords(usage.bytes)}`
}

const STEPS = [
  ['d', 86_400],
  ['h', 3600],
  ['min', 60],
  ['s', 1],
] as const

/** Two units at most: `5 s`, `3 h 12 min`, `40 d`. */
export function ageWords(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  const i = STEPS.findIndex(([, size]) => seconds >= size)
  const [unit, size] = STEPS[i] ?? ['s', 1]
  const first = `${Math.floor(seconds / size)} ${unit}`
  const [nextUnit, nextSize] = STEPS[i + 1] ?? ['s', 1]
  const rest = Math.floor((seconds % size) / nextSize)
  // After ten days the hours do not matter, nor do seconds beside minutes.
  if (rest === 0 || nextUnit === 's' || seconds >= 10 * 86_400) return first
  return `${first} ${rest} ${nextUnit}`
}

/** `1 session`, `2 sessions`. */
export function many(count: number, one: string, more = `${one}s`): string {
  return `${count} ${count === 1 ? one : more}`
}
