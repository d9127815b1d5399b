/*
 * The kept configuration, read back: JSON whose every field is checked, because a half-right rule must not
 * reach the code that mounts. What another version of polyns wrote is not used.
 */
import type { Config, Rule } from './types.js'

/** To be raised with every change of {@link Rule}. */
export const KEPT_FORMAT = 1

/** @returns null when it is not, in all its parts, what {@link KEPT_FORMAT} says. */
export function parseKept(text: string): Omit<Config, 'problems'> | null {
  const kept = parseJson(text)
  if (!isRecord(kept) || kept.format !== KEPT_FORMAT) return null
  const { files, mode, rules } = kept
  if (mode !== 'strict' && mode !== 'compat') return null
  if (!isArrayOf(files, isString) || !isArrayOf(rules, isRule)) return null
  return { files, mode, rules }
}

type Check = (value: unknown) => boolean

const isString = (value: unknown): value is string => typeof value === 'string'
const isNumber: Check = (value) => Number.isInteger(value)
const orNull =
  (check: Check): Check =>
  (value) =>
    value === null || check(value)
const oneOf =
  (...values: string[]): Check =>
  (value) =>
    isString(value) && values.includes(value)
const listOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(check)
const shape =
  (fields: Record<string, Check>): Check =>
  (value) =>
    isRecord(value) && Object.entries(fields).every(([key, check]) => check(value[key]))

const RULE = shape({
  file: isString,
  line: isNumber,
  polydir: isString,
  prefix: isString,
  method: oneOf('user', 'level', 'context', 'tmpdir', 'tmpfs'),
  scope: oneOf('user', 'session', 'job'),
  flags: listOf(oneOf('create', 'noinit', 'shared', 'iscript', 'mntopts')),
  create: orNull(shape({ mode: orNull(isNumber), owner: orNull(isNumber), group: orNull(isNumber) })),
  iscript: orNull(isString),
  mntopts: orNull(isString),
  mountFlags: listOf(oneOf('nosuid', 'nodev', 'noexec')),
  keep: listOf(isString),
  carry: listOf(isString),
  users: shape({
    mode: oneOf('except', 'only'),
    names: listOf(isString),
    uids: listOf(isNumber),
    ranges: listOf(shape({ min: isNumber, max: isNumber })),
    groups: listOf(shape({ name: isString, gid: isNumber })),
  }),
})

const isRule = (value: unknown): value is Rule => RULE(value)

function isArrayOf<T>(value: unknown, check: (item: unknown) => item is T): value is T[] {
  return Array.isArray(value) && value.every(check)
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
