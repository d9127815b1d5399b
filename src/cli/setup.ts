/* polyns setup: the boot step, and taking it back. Acts on the host, wherever it is called. */
import { resolve } from 'node:path'
import { errorsOf, formatProblem, loadConfig, type Names } from '../config/index.js'
import { enterHost } from '../ns/enter.js'
import { setUp, takeBack } from '../propagation/setup.js'
import type { Outcome, Step } from '../propagation/step.js'
import { SyscallError, UnsupportedError } from '../sys/errors.js'
import { explainRights, requireKernel } from '../sys/probe.js'
import { EXIT } from './report.js'

export interface SetupFlags {
  dryRun: boolean
  undo: boolean
  share: readonly string[]
  keepRoot: boolean
  /** `--config FILE`, as for a session. */
  config?: string | undefined
}

export interface SetupIo {
  names: Names
  out(text: string): void
  err(text: string): void
  color: boolean
}

/**
 * @returns the exit status: 0; 1 when an undo is blocked; 3 with what is wrong with the configuration on stderr
 * @throws what setUp and takeBack throw; {@link UnsupportedError} when the rights do not suffice
 */
export function setup(flags: SetupFlags, io: SetupIo): number {
  // Entering the host's namespace changes the working directory.
  const share = flags.share.map((path) => resolve(path))
  const file = flags.config === undefined ? undefined : resolve(flags.config)
  try {
    enterHostFor(flags, io)
    if (flags.undo) {
      const steps = takeBack(flags)
      report(steps, flags, io)
      return steps.some(({ outcome }) => outcome === 'blocked') ? EXIT.failed : EXIT.ok
    }
    const config = loadConfig({ names: io.names, config: file })
    const errors = errorsOf(config)
    if (errors.length > 0) {
      for (const problem of errors) io.err(formatProblem(problem))
      io.err('polyns setup: nothing was changed\n')
      return EXIT.config
    }
    report(setUp({ ...flags, config, share }), flags, io)
    return EXIT.ok
  } catch (error) {
    throw explainRights('setting up the host', error)
  }
}

function enterHostFor({ dryRun }: SetupFlags, io: SetupIo): void {
  requireKernel()
  const uid = process.geteuid?.() ?? 0
  if (uid !== 0 && !dryRun) {
    const needs = `needs root, but runs as uid ${uid}; --dry-run says what it would do`
    throw new UnsupportedError('setting up the host', needs)
  }
  process.umask(0o022)
  try {
    enterHost()
  } catch (error) {
    const isDenied =
      error instanceof UnsupportedError || (error instanceof SyscallError && error.code === 'EPERM')
    if (uid === 0 || !isDenied) throw error
    io.err("polyns setup: this is the view of the calling process, which may not enter the host's\n")
  }
}

const COLORS = {
  done: '\x1b[32m',
  would: '\x1b[36m',
  already: '\x1b[2m',
  skipped: '\x1b[33m',
  blocked: '\x1b[31m',
} as const

function report(steps: readonly Step[], flags: SetupFlags, io: SetupIo): void {
  print(steps, io)
  const summary = summaryOf(steps, flags)
  if (summary !== null) io.out(`${summary}\n`)
}

/** One line a step: what became of it, the command that it equals, and why. */
export function print(steps: readonly Step[], io: Pick<SetupIo, 'out' | 'color'>): void {
  const width = Math.max(...steps.map(({ command, note }) => (note === '' ? 0 : command.length)))
  for (const { outcome, command, note } of steps) {
    const word = outcome.padEnd(7)
    const shown = io.color ? `${COLORS[outcome]}${word}\x1b[0m` : word
    io.out(`${shown}  ${note === '' ? command : `${command.padEnd(width)}  # ${note}`}\n`)
  }
}

/** What the steps come to; null: they speak for themselves. */
function summaryOf(steps: readonly Step[], { undo }: SetupFlags): string | null {
  const has = (wanted: Outcome) => steps.some(({ outcome }) => outcome === wanted)
  if (has('blocked'))
    return "what is blocked stays as it is: unmount what lies on it, then run 'polyns setup --undo' again"
  if (has('would')) return 'dry run: nothing was changed'
  if (has('done')) return null
  if (undo)
    return steps.length === 0
      ? 'nothing to undo: nothing has been set up since the boot'
      : 'nothing is left to undo'
  return has('skipped')
    ? 'nothing to do: all but what is skipped is set up'
    : 'nothing to do: everything is set up'
}
