/* Errors for people: the chain of what was attempted, outermost first, and the one mapping to exit statuses. */
import { escapeControls } from '../sys/call.js'
import {
  ConfigError,
  ScriptError,
  SyscallError,
  UnsafePathError,
  UnsupportedError,
  UsageError,
} from '../sys/errors.js'

export const EXIT = { ok: 0, failed: 1, usage: 2, config: 3, unsupported: 4, unsafe: 5 } as const

// What a missing right or call of the kernel shows as.
const LACKING = new Set(['EPERM', 'ENOSYS'])

/** The exit status that an error means. The outermost error of a known kind decides. */
export function exitStatusOf(error: unknown): number {
  for (const e of chain(error)) {
    if (e instanceof UsageError) return EXIT.usage
    if (e instanceof ConfigError) return EXIT.config
    if (e instanceof UnsafePathError) return EXIT.unsafe
    if (e instanceof UnsupportedError) return EXIT.unsupported
    if (e instanceof SyscallError) return LACKING.has(e.code) ? EXIT.unsupported : EXIT.failed
  }
  return EXIT.failed
}

/** One block: `polyns: WHAT`, then a line for each cause below it. With `stack`, where a defect of polyns itself arose. */
export function describeError(error: unknown, options: { stack: boolean }): string {
  const lines = chain(error).map(
    (e, depth) => `${'  '.repeat(depth)}${depth === 0 ? '' : 'because '}${messageOf(e)}`,
  )
  const first = chain(error)[0]
  if (options.stack && isDefect(first) && first instanceof Error) {
    lines.push('this is a defect of polyns; please report it with these lines:', first.stack ?? '')
  }
  return lines.join('\n')
}

/** The error and its causes. An undo that failed besides does not hide the error that made it necessary. */
function chain(error: unknown): unknown[] {
  const found: unknown[] = []
  const visit = (e: unknown) => {
    if (e === undefined || found.includes(e)) return
    if (isSuppressed(e)) {
      visit(e.suppressed)
      visit(e.error)
      return
    }
    found.push(e)
    if (e instanceof AggregateError)
      e.errors.forEach((one) => {
        visit(one)
      })
    else if (e instanceof Error) visit(e.cause)
  }
  visit(error)
  return found
}

/** Body and dispose both threw: `suppressed` is the body's error, `error` the dispose's. */
function isSuppressed(error: unknown): error is { error: unknown; suppressed: unknown } {
  return error instanceof Error && error.name === 'SuppressedError'
}

/** On one line, and without what would move a terminal's cursor: names in it may be of an attacker's choosing. */
function messageOf(error: unknown): string {
  if (error instanceof ConfigError && error.line > 0) {
    return escapeControls(`${error.file}:${error.line}:${error.column}: ${error.message}`)
  }
  return escapeControls(error instanceof Error ? error.message : String(error))
}

function isDefect(error: unknown): boolean {
  return (
    error instanceof Error &&
    !(error instanceof SyscallError) &&
    !(error instanceof ConfigError) &&
    !(error instanceof UnsafePathError) &&
    !(error instanceof UnsupportedError) &&
    !(error instanceof ScriptError) &&
    !(error instanceof UsageError) &&
    !('code' in error)
  )
}
