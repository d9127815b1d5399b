/*
 * What only shows when the lines are seen together: two for one directory, two with one instance, one that
 * covers another. Rules take effect in their order, and two rules get into each other's way only when there
 * can be a user to whom both apply. Paths are compared as text, before $HOME and $USER are replaced: what
 * cannot be told from the text is not reported.
 */
import type { ProblemCode } from './codes.js'
import { printable, Reporter, show } from './problem.js'
import type { Mode, Problem, Rule } from './types.js'
import { canShareUser } from './users.js'

/** A rule, and where its two paths stand. */
export interface PlacedRule {
  rule: Rule
  text: string
  polydirColumn: number
  prefixColumn: number
}

interface Located extends PlacedRule {
  polydir: string
  prefix: string
  reporter: Reporter
  /** What it has been told of a pair. */
  reported: Set<ProblemCode>
}

/** Adds what is wrong to `problems`. @returns the rules that can stay. */
export function judgeTogether(placed: readonly PlacedRule[], mode: Mode, problems: Problem[]): PlacedRule[] {
  const located = placed.map((entry) => locate(entry, mode, problems))
  for (const [index, later] of located.entries()) {
    judgeParent(later, located)
    judgeDoubleName(later)
    for (const earlier of located.slice(0, index)) {
      if (canShareUser(earlier.rule.users, later.rule.users)) judgePair(earlier, later)
    }
  }
  return located.filter(({ reporter }) => !reporter.failed)
}

function locate(placed: PlacedRule, mode: Mode, problems: Problem[]): Located {
  const { rule, text } = placed
  return {
    ...placed,
    // Its trailing slashes are gone; a trailing dot would be the only one that simplify leaves.
    polydir: simplify(`${rule.polydir}/`).slice(0, -1) || '/',
    prefix: simplify(rule.prefix),
    reported: new Set(),
    reporter: new Reporter(mode, { file: rule.file, line: rule.line, text }, problems),
  }
}

function judgePair(earlier: Located, later: Located) {
  // Each mistake once a line: of a thousand lines for one directory, each would otherwise name all those before it.
  const report = (
    code: ProblemCode,
    column: number,
    message: (theirs: string) => string,
    allowed: string,
  ) => {
    if (later.reported.has(code)) return
    later.reported.add(code)
    const where = earlier.rule.file === later.rule.file ? '' : `${printable(earlier.rule.file)}, `
    const theirs = `${show(earlier.rule.polydir)} (${where}line ${earlier.rule.line})`
    later.reporter.report(code, column, message(theirs), { allowed })
  }

  if (earlier.polydir === later.polydir) {
    const allowed = 'one line for a directory and a user'
    return report(
      'duplicate-polydir',
      later.polydirColumn,
      (theirs) => `${theirs} is isolated already`,
      allowed,
    )
  }
  if (hasSameInstance(earlier, later)) {
    const message = (theirs: string) => `${theirs} has its instance in the same place`
    report('same-instance', later.prefixColumn, message, 'a prefix of its own for each directory')
  }
  if (isBelow(earlier.polydir, later.polydir)) {
    const message = (theirs: string) => `this covers ${theirs}, which is isolated before`
    report(
      'hidden-polydir',
      later.polydirColumn,
      message,
      'the outer directory in an earlier line than the inner one',
    )
  }
  if (isBelow(later.polydir, earlier.polydir) && later.rule.create === null) {
    const message = (theirs: string) => `this lies in ${theirs}, and a new instance of that is empty`
    report(
      'nested-polydir',
      later.polydirColumn,
      message,
      'the flag create, which makes it when it is missing',
    )
  }
  if (later.rule.method !== 'tmpfs' && isBelow(later.prefix, earlier.polydir)) {
    // polyns opens all parents before its first mount; another reader of this file would not.
    const message = (theirs: string) => `these instances lie in ${theirs}, which is isolated before`
    report(
      'prefix-under-polydir',
      later.prefixColumn,
      message,
      'this line before that one, or instances elsewhere',
    )
  }
}

/** Instances are held by a directory of mode 000, which a directory that people work in cannot be. */
function judgeParent({ rule, prefix, prefixColumn, reporter }: Located, all: readonly Located[]) {
  if (rule.method === 'tmpfs') return
  const parent = prefix.slice(0, prefix.lastIndexOf('/')) || '/'
  if (parent !== '/' && !all.some(({ polydir }) => polydir === parent)) return
  const message = `the instances would lie in ${show(parent)} itself, which must be closed to everybody`
  reporter.report('parent-not-private', prefixColumn, message, {
    allowed: 'a directory of their own; a prefix that names one ends with a slash',
  })
}

function judgeDoubleName({ rule, prefixColumn, reporter }: Located) {
  const isNamed = rule.method !== 'tmpfs' && rule.method !== 'tmpdir' && !rule.flags.includes('shared')
  if (!isNamed || !rule.prefix.slice(rule.prefix.lastIndexOf('/')).includes('$USER')) return
  const message = `the name of the user is appended to ${show(rule.prefix)} in any case`
  reporter.report('user-twice', prefixColumn, message)
}

function hasSameInstance(a: Located, b: Located): boolean {
  const hasFixedName = ({ rule }: Located) => rule.method !== 'tmpfs' && rule.method !== 'tmpdir'
  if (!hasFixedName(a) || !hasFixedName(b) || a.prefix !== b.prefix) return false
  // Outside of a job, the scope "job" is the scope "user".
  return (a.rule.scope === 'session') === (b.rule.scope === 'session')
}

function isBelow(path: string, directory: string): boolean {
  return directory !== '/' && path.startsWith(`${directory}/`)
}

function simplify(path: string): string {
  return path.replace(/\/(\.?\/)+/g, '/')
}
