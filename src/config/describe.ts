/*
 * What a rule means, in words for people. The wording is free to change; programs read the JSON of check.
 */
import type { Rule, UserList } from './types.js'

/** @param prefix the rule's own, or the one that it has for a user */
export function describeRule(
  rule: Rule,
  prefix: string,
): { instance: string; users: string; besides: string } {
  return { instance: sayInstance(rule, prefix), users: sayUsers(rule.users), besides: sayFlags(rule) }
}

function sayInstance({ method, scope, flags, mntopts }: Rule, prefix: string): string {
  const each = `, for each ${scope}`
  if (method === 'tmpfs') return `a tmpfs${mntopts ? ` with ${mntopts}` : ''}${each}`
  if (method === 'tmpdir') return `${prefix}RANDOM, for each session`
  if (method === 'user') return `${prefix}USER${each}`
  const name = flags.includes('shared') ? 'CONTEXT' : 'CONTEXT_USER'
  return `${prefix}${name}, by SELinux ${method === 'level' ? 'level' : 'context'}${each}`
}

function sayUsers({ mode, names, ranges, groups }: UserList): string {
  const listed = [
    ...names,
    ...groups.map(({ name }) => `group ${name}`),
    ...ranges.map(({ min, max }) => (min === max ? `uid ${min}` : `uids ${min} to ${max}`)),
  ].join(', ')
  if (mode === 'only') return listed === '' ? 'nobody' : `only ${listed}`
  return listed === '' ? 'everybody' : `everybody but ${listed}`
}

function sayFlags(rule: Rule): string {
  const said: string[] = [...rule.mountFlags]
  if (rule.create !== null) {
    const { mode, owner, group } = rule.create
    const details = [
      mode === null ? [] : `mode 0${mode.toString(8)}`,
      owner === null ? [] : `uid ${owner}`,
      group === null ? [] : `gid ${group}`,
    ].flat()
    said.push(`made if missing${details.length === 0 ? '' : ` (${details.join(', ')})`}`)
  }
  if (rule.flags.includes('noinit')) said.push('no init script')
  else if (rule.iscript !== null) said.push(`runs ${rule.iscript}`)
  if (rule.keep.length > 0) said.push(`keeps ${rule.keep.join(' ')}`)
  if (rule.carry.length > 0) said.push(`carries ${rule.carry.join(' ')}`)
  return said.join(', ')
}
