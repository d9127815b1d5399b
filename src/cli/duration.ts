/* Times on the command line: 90, 90s, 30m, 3h, 2d. */
import { UsageError } from '../sys/errors.js'

const UNITS: Readonly<Record<string, number>> = { '': 1, s: 1, m: 60, h: 3600, d: 86_400 }

/** @returns milliseconds @throws {UsageError} naming `option` */
export function parseDuration(option: string, text: string): number {
  const [, number, unit] = /^(\d{1,9})([smhd]?)$/.exec(text) ?? []
  const seconds = unit === undefined ? undefined : UNITS[unit]
  if (number === undefined || seconds === undefined) {
    throw new UsageError(`${option} takes a time such as 90s, 30m, 3h or 2d, not '${text}'`)
  }
  return Number(number) * seconds * 1000
}
