/*
 * How a finding is made and how it is shown. Text from a configuration file reaches terminals and the system
 * log through here, so everything that could steer a terminal or forge a log line is made visible first.
 */
import { ConfigError, UnsafePathError } from '../sys/errors.js'
import { CODES, type ProblemCode } from './codes.js'
import type { Config, Mode, Problem } from './types.js'

/** The classes of Unicode take half a millisecond to set up, where the expression is made and not where it is used. */
const unprintable = () => /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu
const SHOWN_LENGTH = 120

/** Text in double quotes, cut to a length that fits a message, with nothing in it that a terminal obeys. */
export function show(text: string): string {
  const chars = Array.from(text)
  const cut = chars.length > SHOWN_LENGTH ? `${chars.slice(0, SHOWN_LENGTH).join('')}...` : text
  return `"${printable(cut)}"`
}

/** The same text with each control or formatting character spelled out as `\u{1b}`. */
export function printable(text: string): string {
  if (/^[ -~]*$/.test(text)) return text
  return text.replace(unprintable(), (char) => `\\u{${char.codePointAt(0)?.toString(16)}}`)
}

/** Collects what is wrong with one line (or one file, at line 0) in the severity of the mode. */
export class Reporter {
  /** True once an error was among the reports: the line gives no rule. */
  failed = false

  constructor(
    readonly mode: Mode,
    private readonly place: { file: string; line: number; text: string | null },
    private readonly problems: Problem[],
  ) {}

  /** @param more `allowed`: what could stand there. `compat`: what becomes of it where it is accepted. */
  report(
    code: ProblemCode,
    column: number,
    message: string,
    more: { allowed?: string; compat?: string } = {},
  ): void {
    const severity = CODES[code][this.mode]
    if (severity === 'never') return
    if (severity === 'error') this.failed = true
    const outcome = this.mode === 'compat' && more.compat !== undefined ? `; ${more.compat}` : ''
    this.problems.push({
      ...this.place,
      column,
      severity,
      code,
      message: message + outcome,
      allowed: more.allowed ?? null,
    })
  }
}

/**
 * The block that a person reads: place, severity and message, the line with a caret, what is allowed.
 * @param paint colours the severity; the identity when there is no terminal
 */
export function formatProblem(problem: Problem, paint = (text: string, _severity: string) => text): string {
  const place = problem.line === 0 ? '' : `:${problem.line}:${problem.column}`
  const block = [
    `${printable(problem.file)}${place}: ${paint(problem.severity, problem.severity)}: ${problem.message} [${problem.code}]`,
  ]
  if (problem.text !== null) {
    // One character for one, so that the caret stays below its column; tabs stay tabs in both lines.
    const line = Array.from(problem.text.trimEnd(), (char) =>
      char === '\t' ? char : char.replace(unprintable(), '?'),
    )
    const indent = line.slice(0, problem.column - 1).map((char) => (char === '\t' ? char : ' '))
    block.push(`    ${line.join('')}`, `    ${indent.join('').padEnd(problem.column - 1)}^`)
  }
  if (problem.allowed !== null) block.push(`  allowed: ${problem.allowed}`)
  return `${block.join('\n')}\n`
}

/** The problems that keep the configuration from being used. */
export function errorsOf(config: Config): Problem[] {
  return config.problems.filter((problem) => problem.severity === 'error')
}

/**
 * The configuration itself, for a caller that cannot go on without a usable one.
 * @throws {ConfigError} its first error. {@link UnsafePathError} when that is about who could change the file.
 */
export function requireUsable(config: Config): Config {
  const [first] = errorsOf(config)
  if (first === undefined) return config
  if (first.code === 'unsafe-file') throw new UnsafePathError(first.file, first.message)
  throw new ConfigError(first.message, first.file, first.line, first.column)
}
