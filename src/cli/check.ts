/*
 * polyns check: reads the configuration as a session would, or the files that are named, and says what each
 * line means and what is wrong. The JSON is a contract: its keys, their order and their types stay.
 */
import {
  appliesTo,
  type Candidate,
  type Config,
  describeRule,
  expandRequesterPolydir,
  expandRule,
  formatProblem,
  loadConfig,
  loadNamed,
  type Names,
  type Problem,
  type ProblemCode,
  printable,
  type Rule,
  show,
  storeLastGood,
} from '../config/index.js'
import { ConfigError } from '../sys/errors.js'

/** The command line. */
export interface CheckOptions {
  /** Named files are read compatibly and without drop-ins; with none, what a session would read. */
  files: readonly string[]
  strict: boolean
  json: boolean
  /** `--config FILE`, as for a session. */
  config?: string | undefined
  user?: string | undefined
  ruser?: string | undefined
}

/** The world around it. The optional ones have the values of the running process. */
export interface CheckIo {
  names: Names
  /** All groups of a user; without it, only the primary one is known. */
  gidsOf?: ((user: { name: string; gid: number }) => readonly number[]) | undefined
  out(text: string): void
  err(text: string): void
  color: boolean
  euid?: number | undefined
  owner?: number | undefined
  candidates?: readonly Candidate[] | undefined
  lastGoodDirectory?: string | undefined
}

const OK = 0
const BROKEN = 3

/** A rule, expanded where a user was given. */
interface Entry {
  rule: Rule
  polydir: string
  prefix: string
  rpolydir?: string
}

interface Checked {
  config: Config
  entries: Entry[]
  problems: Problem[]
}

/** @returns the exit status: 0, or 3 when there is an error in what was read. */
export function check(options: CheckOptions, io: CheckIo): number {
  const checked = readConfigs(options, io).map((config) => entriesOf(config, options, io))
  const isOk = checked.every(({ problems }) => !hasError(problems))
  if (options.json) io.out(`${JSON.stringify(toJson(checked, isOk))}\n`)
  else for (const one of checked) print(one, io)
  if (isOk && options.files.length === 0 && !options.strict) keep(checked, io)
  return isOk ? OK : BROKEN
}

function readConfigs(options: CheckOptions, io: CheckIo): Config[] {
  const mode = options.strict ? 'strict' : undefined
  if (options.files.length === 0) {
    const { names, owner, candidates } = io
    return [loadConfig({ names, owner, candidates, mode, config: options.config })]
  }
  const owner = io.owner ?? effectiveUid(io)
  return options.files.map((file) => loadNamed(file, { names: io.names, mode: mode ?? 'compat', owner }))
}

function entriesOf(config: Config, options: CheckOptions, io: CheckIo): Checked {
  const problems = [...config.problems]
  if (options.user === undefined) {
    return { config, entries: config.rules.map((rule) => ({ rule, ...pathsOf(rule) })), problems }
  }
  const user = io.names.userByName(options.user)
  const requester = options.ruser === undefined ? undefined : io.names.userByName(options.ruser)
  for (const [name, found] of [
    [options.user, user],
    [options.ruser, requester],
  ] as const) {
    if (found === null)
      problems.push(fault(config.files[0], 0, 'no-such-user', `unknown user ${show(name ?? '')}`))
  }
  if (user === null || requester === null) return { config, entries: [], problems }

  const gids = io.gidsOf?.(user) ?? [user.gid]
  const entries: Entry[] = []
  for (const rule of config.rules.filter((rule) => appliesTo(rule, { uid: user.uid, gids }))) {
    try {
      const entry: Entry = { rule, ...expandRule(rule, { user: options.user, home: user.home }) }
      if (requester !== undefined && options.ruser !== undefined) {
        entry.rpolydir = expandRequesterPolydir(rule, { user: options.ruser, home: requester.home })
      }
      entries.push(entry)
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      problems.push(fault(error.file, error.line, 'bad-expansion', error.message))
    }
  }
  return { config, entries, problems }
}

function pathsOf({ polydir, prefix }: Rule) {
  return { polydir, prefix }
}

function fault(file: string | undefined, line: number, code: ProblemCode, message: string): Problem {
  const column = line === 0 ? 0 : 1
  return { file: file ?? '', line, column, severity: 'error', code, message, text: null, allowed: null }
}

/** What sessions fall back to, from the one run that can know that it is good. */
function keep(checked: readonly Checked[], io: CheckIo) {
  if (effectiveUid(io) !== 0) return
  for (const { config } of checked) {
    try {
      storeLastGood(config, io.lastGoodDirectory)
    } catch (error) {
      // The lint itself went well, and a read-only /run is no fault of the configuration.
      if (!(error instanceof Error)) throw error
      io.err(`polyns check: cannot keep the last good configuration: ${error.message}\n`)
    }
  }
}

function effectiveUid(io: CheckIo): number {
  return io.euid ?? process.geteuid?.() ?? 0
}

function hasError(problems: readonly Problem[]): boolean {
  return problems.some(({ severity }) => severity === 'error')
}

function toJson(checked: readonly Checked[], ok: boolean) {
  return {
    files: checked.flatMap(({ config }) => config.files),
    ok,
    entries: checked.flatMap(({ entries }) => entries.map(entryToJson)),
    problems: checked.flatMap(({ problems }) =>
      problems.map(({ file, line, column, severity, code, message }) => ({
        file,
        line,
        column,
        severity,
        code,
        message,
      })),
    ),
  }
}

function entryToJson({ rule, polydir, prefix, rpolydir }: Entry) {
  const { file, line, method, scope, flags, create, iscript, mntopts, mountFlags, keep, carry } = rule
  const { mode, names, uids, ranges, groups } = rule.users
  return {
    file,
    line,
    polydir,
    prefix,
    method,
    scope,
    flags,
    create: create === null ? null : { ...create, mode: create.mode?.toString(8) ?? null },
    iscript,
    mntopts,
    mountFlags,
    keep,
    carry,
    users: {
      mode,
      names,
      uids,
      ...(ranges.length > 0 ? { ranges } : {}),
      ...(groups.length > 0 ? { groups } : {}),
    },
    ...(rpolydir === undefined ? {} : { rpolydir }),
  }
}

function print({ config, entries, problems }: Checked, io: CheckIo) {
  const paint = (text: string, severity: string) =>
    io.color ? `\x1b[${severity === 'error' ? '1;31' : '1;33'}m${text}\x1b[0m` : text
  for (const problem of problems) io.err(formatProblem(problem, paint))
  for (const file of hasError(problems) ? [] : config.files) {
    const rows = entries.filter(({ rule }) => rule.file === file).map(sayEntry)
    const title = `${printable(file)} (${config.mode}): ${rows.length === 0 ? 'no directory is isolated' : 'ok'}`
    io.out(`${io.color ? `\x1b[1m${title}\x1b[0m` : title}\n`)
    if (rows.length > 0) io.out(inColumns([['LINE', 'DIRECTORY', 'INSTANCE', 'FOR', 'BESIDES'], ...rows]))
  }
  const errors = problems.filter(({ severity }) => severity === 'error').length
  const warnings = problems.length - errors
  if (problems.length > 0) io.err(`${counted(errors, 'error')}, ${counted(warnings, 'warning')}\n`)
}

function sayEntry({ rule, polydir, prefix }: Entry): string[] {
  const { instance, users, besides } = describeRule(rule, prefix)
  return [String(rule.line), polydir, instance, users, besides]
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}

function inColumns(rows: readonly (readonly string[])[]): string {
  const shown = rows.map((row) => row.map(printable))
  const widths = (shown[0] ?? []).map((_, column) =>
    Math.max(...shown.map((row) => row[column]?.length ?? 0)),
  )
  return shown
    .map((row) => `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd())
    .map((line) => `${line}\n`)
    .join('')
}
