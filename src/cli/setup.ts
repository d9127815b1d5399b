/* polyns setup: the boot step, and taking it back. Acts on the host, wherever it is called. */
import { resolve } from 'node:path'
import { errorsOf, formatProblem, loadConfig, type Names } from '../config/index.js'
import { enterHost } from '../ns/enter.js'
import { setUp, takeBack } from '../propagation/setup.js'
import type { Step } from '../propagation/step.js'
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
 * @returns the exit status: 0, or 3 with what is wrong with the configuration on stderr
 * @throws what setUp and takeBack throw; {@link UnsupportedError} when the rights do not suffice
 */
export function setup(flags: SetupFlags, io: SetupIo): number {
  // Entering the host's namespace changes the working directory.
  const share = flags.share.map((path) => resolve(path))
  const file = flags.config === undefined ? undefined : resolve(flags.config)
  try {
    enterHostFor(flags, io)
    if (flags.undo) {
      print(takeBack(flags), 'nothing to undo: nothing has been set up since the boot', flags, io)
      return EXIT.ok
    }
    const config = loadConfig({ names: io.names, config: file })
    const errors = errorsOf(config)
    if (errors.length > 0) {
      for (const problem of errors) io.err(formatProblem(problem))
      io.err('polyns setup: nothing was changed\n')
      return EXIT.config
    }
    print(setUp({ ...flags, config, share }), 'nothing to do: everything is set up', flags, io)
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

const COLORS = { done: '\x1b[32m', would: '\x1b[36m', already: '\x1b[2m', skipped: '\x1b[33m' } as const

/** One line a step: what became of it, the command that it equals, and why. */
function print(steps: readonly Step[], nothing: string, { dryRun }: SetupFlags, io: SetupIo): void {
  const width = Math.max(...steps.map(({ command, note }) => (note === '' ? 0 : command.length)))
  for (const { outcome, command, note } of steps) {
    const word = outcome.padEnd(7)
    const shown = io.color ? `${COLORS[outcome]}${word}\x1b[0m` : word
    io.out(`${shown}  ${note === '' ? command : `${command.padEnd(width)}  # ${note}`}\n`)
  }
  if (!steps.some(({ outcome }) => outcome === 'done' || outcome === 'would')) io.out(`${nothing}\n`)
  else if (dryRun) io.out('dry run: nothing was changed\n')
}
