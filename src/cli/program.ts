/* The command tree for people at a terminal: commander, output, and the one place where errors are printed. */
import { Command, CommanderError } from 'commander'
import { traceCalls } from '../sys/call.js'
import { addCheck } from './commands/check.js'
import { addEpilog, addReap } from './commands/cleanup.js'
import { addDemo } from './commands/demo.js'
import { addDoctor } from './commands/doctor.js'
import { addExec } from './commands/exec.js'
import { addExplain } from './commands/explain.js'
import { addInspect } from './commands/inspect.js'
import { addInstall, addUninstall } from './commands/install.js'
import { addList } from './commands/list.js'
import { addMetrics } from './commands/metrics.js'
import { addMount, addUmount } from './commands/mount.js'
import { addPam } from './commands/pam.js'
import { addSetup } from './commands/setup.js'
import type { Io } from './io.js'
import { describeError, EXIT, exitStatusOf } from './report.js'

declare const POLYNS_VERSION: string

/** Runs the command line, prints what went wrong, and sets the exit status. */
export async function main(argv: readonly string[]): Promise<void> {
  const io: Io = {
    out: (text) => process.stdout.write(text),
    err: (text) => process.stderr.write(text),
    color: process.stdout.isTTY === true && process.env.NO_COLOR === undefined,
  }
  process.exitCode = EXIT.ok // start.cjs has set another, for a program that is not whole
  try {
    await commands(io).parseAsync([...argv])
  } catch (error) {
    if (error instanceof CommanderError) {
      // Help and version end this way too, and have printed what they have to say; in a PAM line help is no session.
      const isPrinted = error.exitCode === 0 && !(isHelp(error) && process.env.PAM_TYPE !== undefined)
      process.exitCode = isPrinted ? EXIT.ok : EXIT.usage
      return
    }
    io.err(`polyns: ${describeError(error, { stack: true })}\n`)
    process.exitCode = exitStatusOf(error)
  }
}

const isHelp = ({ code }: CommanderError) => code.startsWith('commander.help')

/** The whole tree. Completion files are made of it, and the manual page is held against it. */
export function commands(io: Io): Command {
  const program = new Command('polyns')
    .description('A private /tmp and /dev/shm for every user, session or SLURM job.')
    .version(POLYNS_VERSION, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand(false)
    .enablePositionalOptions()
    .option('--trace', 'log every kernel call to stderr, as lines of JSON')
    .hook('preAction', (command) => (command.opts().trace === true ? startTrace() : undefined))
    .exitOverride()
    .showSuggestionAfterError()
  addPam(program)
  addInstall(program, io)
  addUninstall(program, io)
  addSetup(program, io)
  addExec(program, io)
  addDemo(program, io)
  addList(program, io)
  addMetrics(program, io)
  addMount(program, io)
  addUmount(program, io)
  addEpilog(program, io)
  addReap(program, io)
  addDoctor(program, io)
  addExplain(program, io)
  addInspect(program, io)
  addCheck(program, io)
  return program
}

/** strace for free: each call with its arguments decoded and its result, and no tracer that could be in adoption's way. */
async function startTrace(): Promise<void> {
  const { destination, pino } = await import('pino')
  const log = pino({ level: 'debug', base: { pid: process.pid } }, destination({ fd: 2, sync: true }))
  traceCalls((line) => log.debug(line))
}
