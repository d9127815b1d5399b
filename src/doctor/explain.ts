/*
 * Why a session of this user is what it is: which lines are for him, which are not and for what reason, what the session
 * would do, and what stands in its way. Pure: rules, names and facts in, one explanation out.
 */
import { appliesTo, describeRule, expandRule, type Rule, type UserList } from '../config/index.js'
import type { Plan, Who } from '../ns/plan.js'
import type { View } from '../session/open.js'
import type { Fact, Surroundings } from './look.js'
import { instancePath } from './steps.js'

/** One line of the configuration. */
export interface ExplainedLine {
  file: string
  line: number
  /** With `$USER` and `$HOME` in place, where that can be. */
  polydir: string
  method: Rule['method']
  scope: Rule['scope']
  applies: boolean
  why: string
}

/** As far as user lists need it. */
export type Person = Pick<Who, 'user' | 'uid' | 'gids'>

/** @param requester who asks, where the view makes a difference of that; null: nobody but the service */
export function explainLines(
  rules: readonly Rule[],
  who: Who,
  view: View,
  requester: Person | null,
): ExplainedLine[] {
  return rules.map((rule) => {
    const { file, line, method, scope } = rule
    return { file, line, polydir: polydirOf(rule, who), method, scope, ...judge(rule, who, view, requester) }
  })
}

/** Whether a rule counts in this session: what session/open.ts does before it makes the plan. */
export function countsFor(rule: Rule, who: Person, view: View, requester: Person | null): boolean {
  return judge(rule, who, view, requester).applies
}

function judge(
  rule: Rule,
  who: Person,
  view: View,
  requester: Person | null,
): Pick<ExplainedLine, 'applies' | 'why'> {
  const users = describeRule(rule, rule.prefix).users
  if (!appliesTo(rule, who)) return { applies: false, why: whyNot(rule.users, who, users) }
  if (view === 'global') return { applies: false, why: 'the PAM line says --global' }
  if (view === 'unmnt-only' && requester !== null && appliesTo(rule, requester)) {
    const asks = `it is for ${requester.user}, who asks, too`
    return { applies: false, why: `${asks}: with --unmnt-only that view is left, and none made in its place` }
  }
  const listed = rule.users.mode === 'only' ? listedAs(rule.users, who) : null
  return { applies: true, why: listed === null ? `for ${users}` : isListed(who, listed) }
}

function whyNot(list: UserList, who: Person, users: string): string {
  const listed = listedAs(list, who)
  return listed === null ? `for ${users}` : `for ${users}: ${isListed(who, listed)}`
}

/** @param entry as {@link listedAs} gives it */
function isListed({ user }: Person, entry: string): string {
  return entry === user ? `${user} is listed` : `${user} is listed, as ${entry}`
}

/** Which entry of the list it is: `alice`, `uids 1000 to 1999`, `group staff`. */
function listedAs({ names, uids, ranges, groups }: UserList, { user, uid, gids }: Person): string | null {
  const name = names[uids.indexOf(uid)]
  if (name !== undefined) return name === user ? user : `${name}, who has the same uid`
  const range = ranges.find(({ min, max }) => min <= uid && uid <= max)
  if (range !== undefined) {
    return range.min === range.max ? `uid ${range.min}` : `uids ${range.min} to ${range.max}`
  }
  const group = groups.find(({ gid }) => gids.includes(gid))
  return group === undefined ? null : `group ${group.name}`
}

function polydirOf(rule: Rule, who: Who): string {
  try {
    return expandRule(rule, who).polydir
  } catch {
    return rule.polydir // the plan says what is wrong with it
  }
}

/** What no shell line shows. @param rules those that count */
export function notesOn(rules: readonly Rule[], who: Who): string[] {
  return rules.flatMap((rule) => {
    const polydir = polydirOf(rule, who)
    const notes: string[] = []
    if (rule.carry.length > 0) {
      notes.push(`${polydir}: of the user's own files in the real one, ${rule.carry.join(' ')} are moved in`)
    }
    if (rule.scope === 'session' && rule.method !== 'tmpfs' && rule.method !== 'tmpdir') {
      notes.push(`${polydir}: ID stands for the id of the session`)
    }
    return notes
  })
}

/** Something that a session needs, and whether it is there. */
export interface Thing {
  path: string
  role: 'directory' | 'instance parent' | 'instance' | 'init script'
  state: Fact['state']
  /** For `refused` and `unknown`. */
  why: string | null
}

/** All that a plan needs, each path once. */
export function thingsOf(plan: Plan, around: readonly Surroundings[]): Thing[] {
  const things = plan.steps.flatMap((step, i) => {
    const found = around[i]
    if (found === undefined) return []
    const { polydir, parent, instance, script } = found
    const all = [thing(step.polydir, 'directory', polydir)]
    if (step.kind === 'bind' && parent !== null) all.push(thing(step.parent, 'instance parent', parent))
    if (step.kind === 'bind' && instance !== null) all.push(thing(instancePath(step), 'instance', instance))
    if (step.initScript !== null) all.push(scriptThing(step.initScript.path, script))
    return all
  })
  return things.filter((one, i) => things.findIndex(({ path }) => path === one.path) === i)
}

function thing(path: string, role: Thing['role'], fact: Fact): Thing {
  return { path, role, state: fact.state, why: 'why' in fact ? fact.why : null }
}

function scriptThing(path: string, script: Surroundings['script']): Thing {
  const role = 'init script'
  if (script === 'runs') return { path, role, state: 'there', why: null }
  if (script === null || script === 'absent') return { path, role, state: 'missing', why: null }
  if ('refused' in script) return { path, role, state: 'refused', why: script.refused }
  return { path, role, state: 'unknown', why: 'only root may look there' }
}
