/*
 * Field 4: whom a line is for.
 *
 *   list  = ["~"] entry *("," entry)
 *   entry = user name | "@" group name | min ":" max | min ":" | ":" uid
 *
 * Without ~ the listed ones are exempt, with it nobody else is isolated. Groups and ranges are ours, as in
 * limits.conf(5): ":uid" is that one uid. pam_namespace takes them for unknown users and drops them.
 */
import { type Reporter, show } from './problem.js'
import type { Names, Rule, UserList } from './types.js'
import type { Word } from './words.js'

/** 2^32 - 1 is no uid: the kernel takes it for "leave as it is". */
const LAST_UID = 0xfffffffe
const ALLOWED_ENTRIES =
  'names of users, @group, uid ranges (1000:1999, 1000:, :1000 for one uid), with commas and no blanks'

/** The list that stands for an absent field 4: everybody is isolated. */
export function nobodyListed(): UserList {
  return { mode: 'except', names: [], uids: [], ranges: [], groups: [] }
}

/** Reads field 4 and looks its names up. Entries that mean nothing are left out of the list. */
export function readUsers(word: Word, names: Names, reporter: Reporter): UserList {
  const list = nobodyListed()
  const isOnly = word.chars[0] === '~'
  if (isOnly) list.mode = 'only'
  if (word.text === '~') {
    reporter.report('empty-list', word.column, '"~" with no name isolates nobody', {
      allowed: '~ and a user list',
    })
    return list
  }
  for (const entry of word.slice(isOnly ? 1 : 0).split(',')) readEntry(entry, list, names, reporter)
  if (isOnly && list.uids.length + list.ranges.length + list.groups.length === 0) {
    reporter.report('empty-list', word.column, 'nobody is left in this list, so that nobody is isolated')
  }
  return list
}

/** True when the rule isolates this user. @param who `gids` are the primary and the supplementary groups. */
export function appliesTo(rule: Pick<Rule, 'users'>, who: { uid: number; gids: readonly number[] }): boolean {
  const { mode, groups } = rule.users
  const listed = listsUid(rule.users, who.uid) || groups.some(({ gid }) => who.gids.includes(gid))
  return listed === (mode === 'only')
}

/**
 * False when it is certain that no user is isolated by both lists. What groups hold is not known here, so
 * they count for as much as they could hold.
 */
export function canShareUser(a: UserList, b: UserList): boolean {
  if (a.mode === 'except' && b.mode === 'except') return true
  if (a.mode === 'except') return canShareUser(b, a)
  if (b.mode === 'except') return reachesBeyond(a, b)
  if (a.groups.length > 0 || b.groups.length > 0) return true
  return (
    a.uids.some((uid) => listsUid(b, uid)) ||
    b.uids.some((uid) => listsUid(a, uid)) ||
    a.ranges.some((x) => b.ranges.some((y) => x.min <= y.max && y.min <= x.max))
  )
}

function reachesBeyond(only: UserList, exempt: UserList): boolean {
  const isWithin = (range: { min: number; max: number }) =>
    exempt.ranges.some((other) => other.min <= range.min && range.max <= other.max) ||
    (range.min === range.max && exempt.uids.includes(range.min))
  return (
    only.uids.some((uid) => !listsUid(exempt, uid)) ||
    only.ranges.some((range) => !isWithin(range)) ||
    only.groups.some(({ gid }) => !exempt.groups.some((other) => other.gid === gid))
  )
}

function listsUid(list: UserList, uid: number): boolean {
  return list.uids.includes(uid) || list.ranges.some(({ min, max }) => min <= uid && uid <= max)
}

function readEntry(entry: Word, list: UserList, names: Names, reporter: Reporter) {
  const { text, column } = entry
  const complain = (code: 'empty-name' | 'unknown-user' | 'unknown-group' | 'bad-range', message: string) =>
    reporter.report(code, column, message, { allowed: ALLOWED_ENTRIES, compat: 'it is left out of the list' })

  if (text === '') return complain('empty-name', 'an empty entry in the user list')
  if (text.includes(':')) return readRange(entry, list, complain, reporter)
  // pam_namespace would find a user of that name, and compat finds whom pam_namespace finds.
  if (text.startsWith('@') && (reporter.mode === 'strict' || names.userByName(text) === null)) {
    const group = names.groupByName(text.slice(1))
    if (group === null) return complain('unknown-group', `unknown group ${show(text.slice(1))}`)
    list.groups.push({ name: text.slice(1), gid: group.gid })
    return reportExtension(entry, reporter)
  }
  const user = names.userByName(text)
  if (user === null) return complain('unknown-user', `unknown user ${show(text)}${hint(text)}`)
  list.names.push(text)
  list.uids.push(user.uid)
}

function readRange(
  entry: Word,
  list: UserList,
  complain: (code: 'bad-range', message: string) => void,
  reporter: Reporter,
) {
  const match = /^(\d*):(\d*)$/.exec(entry.text)
  const [, first = '', last = ''] = match ?? []
  const max = last === '' ? LAST_UID : Number(last)
  const min = first === '' ? max : Number(first)
  if (match === null || (first === '' && last === '') || min > max || max > LAST_UID) {
    return complain('bad-range', `${show(entry.text)} is no range of uids`)
  }
  list.ranges.push({ min, max })
  reportExtension(entry, reporter)
}

function reportExtension(entry: Word, reporter: Reporter) {
  reporter.report('extension', entry.column, `polyns uses ${show(entry.text)}, pam_namespace ignores it`)
}

function hint(text: string): string {
  if (text.startsWith('~')) return '; "~" stands only before the whole list'
  const range = /^(\d+)-(\d+)$/.exec(text)
  if (range !== null) return `; a range is written ${range[1]}:${range[2]}`
  return /^\d+$/.test(text) ? `; a uid is written :${text}` : ''
}
