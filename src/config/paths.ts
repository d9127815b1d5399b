/*
 * Fields 1 and 2: the directory and the prefix of its instances.
 *
 *   $HOME and $USER are replaced wherever they stand, also at the start of a longer word and behind a backslash
 *   trailing slashes of the directory go; the prefix is a plain string and keeps its own
 *   both start with a slash (a tmpfs needs no prefix) and do not contain the string ..
 *
 * What depends on the user is judged when the user is known, by expandRule.
 */
import { ConfigError } from '../sys/errors.js'
import type { ProblemCode } from './codes.js'
import { type Reporter, show } from './problem.js'
import type { Method, Rule } from './types.js'
import type { Word } from './words.js'

const PATH_MAX = 4096
const VARIABLES = ['$HOME', '$USER']
/** As much of an unknown variable as a message needs. */
const VARIABLE_SHOWN = 40
const ALLOWED_VARIABLES = '$USER and $HOME, as whole words and without braces'

/** The values for `$USER` and `$HOME`. `user` is PAM_USER as it was typed, not its canonical form. */
export interface Who {
  user: string
  home: string
}

interface Objection {
  code: ProblemCode
  field: 'polydir' | 'prefix'
  message: string
}

/** Field 1, judged as far as it can be without a user. */
export function readPolydir(word: Word, reporter: Reporter): string {
  const polydir = stripTrailingSlashes(word.text)
  reportVariables(word, reporter)
  if (polydir === '/') {
    reporter.report('root-polydir', word.column, 'the root directory cannot be isolated', {
      compat: 'pam_namespace accepts this and does nothing',
    })
  }
  return polydir
}

/** Field 2, judged as far as it can be without a user. */
export function readPrefix(word: Word, method: Method, reporter: Reporter): string {
  reportVariables(word, reporter)
  if (method !== 'tmpfs' && word.text.startsWith('$HOME')) {
    reporter.report('prefix-in-home', word.column, 'the instances lie in the home directory of the user', {
      allowed: 'a directory in which only root can make or rename anything',
    })
  }
  return word.text
}

/** Reports what pam_namespace would refuse whoever logs in. */
export function judgePaths(
  rule: Pick<Rule, 'polydir' | 'prefix' | 'method'>,
  words: [Word, Word],
  reporter: Reporter,
) {
  for (const objection of objections(rule, startsRooted)) {
    const word = objection.field === 'polydir' ? words[0] : words[1]
    const inside = objection.code === 'dot-dot' ? word.text.indexOf('..') : 0
    const index = Array.from(word.text.slice(0, inside)).length
    reporter.report(objection.code, inside > 0 ? word.columnAt(index) : word.column, objection.message)
  }
}

/**
 * The two paths of a rule for one user.
 * @throws {ConfigError} where pam_namespace would refuse the line with these values.
 */
export function expandRule(rule: Rule, who: Who): { polydir: string; prefix: string } {
  const expanded = {
    polydir: expandPolydir(rule, who),
    prefix: expandVariables(rule.prefix, who),
    method: rule.method,
  }
  const [objection] = objections(expanded, (path) => path.startsWith('/'))
  if (objection !== undefined) throw refusal(rule, who, objection.message)
  return { polydir: expanded.polydir, prefix: expanded.prefix }
}

/**
 * Field 1 for the user who asks, which pam_namespace uses for nothing but unmounting: it need not be absolute.
 * @throws {ConfigError} when it is empty or too long, which makes pam_namespace refuse the whole line.
 */
export function expandRequesterPolydir(rule: Rule, requester: Who): string {
  const polydir = expandPolydir(rule, requester)
  if (isTooLong(polydir)) throw refusal(rule, requester, 'the directory is longer than the kernel takes')
  return polydir
}

function expandPolydir(rule: Rule, who: Who): string {
  const polydir = stripTrailingSlashes(expandVariables(rule.polydir, who))
  if (polydir === '') throw refusal(rule, who, 'the directory is empty')
  return polydir
}

function expandVariables(text: string, who: Who): string {
  // One pass: what a name or a home directory brings in is not replaced again.
  return text.replace(/\$(HOME|USER)/g, (_, name) => (name === 'HOME' ? who.home : who.user))
}

function refusal(rule: Rule, who: Who, why: string): ConfigError {
  const values = `$USER = ${show(who.user)} and $HOME = ${show(who.home)}`
  return new ConfigError(`${why}, with ${values}`, rule.file, rule.line, 1)
}

function* objections(
  rule: Pick<Rule, 'polydir' | 'prefix' | 'method'>,
  isRooted: (path: string) => boolean,
): Generator<Objection> {
  const { polydir, prefix, method } = rule
  if (polydir === '') yield { code: 'invalid-polydir', field: 'polydir', message: 'the directory is empty' }
  for (const [field, path] of [['polydir', polydir] as const, ['prefix', prefix] as const]) {
    const what = `${field === 'polydir' ? 'the directory' : 'the instance prefix'} ${show(path)}`
    const needsSlash = field === 'polydir' ? polydir !== '' : method !== 'tmpfs'
    if (isTooLong(path))
      yield { code: 'path-too-long', field, message: `${what} is longer than the kernel takes` }
    if (needsSlash && !isRooted(path)) {
      yield { code: 'relative-path', field, message: `${what} does not start with a slash` }
    }
    if (path.includes('..')) yield { code: 'dot-dot', field, message: `${what} contains ".."` }
  }
}

function reportVariables(word: Word, reporter: Reporter) {
  for (const [index, char] of word.chars.entries()) {
    if (char !== '$') continue
    const rest = word.chars.slice(index, index + VARIABLE_SHOWN).join('')
    const column = word.columnAt(index)
    const known = VARIABLES.find((variable) => rest.startsWith(variable))
    const shown = show(/^\$(?:\{[^}]*\}?|\w*)/u.exec(rest)?.[0] ?? '$')
    if (known === undefined) {
      reporter.report('unknown-variable', column, `unknown variable ${shown}`, {
        allowed: ALLOWED_VARIABLES,
        compat: 'it is taken as it stands',
      })
    } else if (/^\w/u.test(rest.slice(known.length))) {
      reporter.report('unknown-variable', column, `unknown variable ${shown}`, {
        allowed: ALLOWED_VARIABLES,
        compat: `the ${known} in it is replaced`,
      })
    } else if (word.escaped.has(column)) {
      reporter.report('escaped-variable', column, `a backslash does not protect ${known}`, {
        allowed: ALLOWED_VARIABLES,
        compat: 'it is replaced all the same',
      })
    }
  }
}

function startsRooted(path: string): boolean {
  // A home directory is absolute, or expandRule refuses it; no user name starts with a slash.
  return path.startsWith('/') || path.startsWith('$HOME')
}

function isTooLong(path: string): boolean {
  return Buffer.byteLength(path) >= PATH_MAX
}

function stripTrailingSlashes(path: string): string {
  let end = path.length
  while (end > 1 && path[end - 1] === '/') end--
  return path.slice(0, end)
}
