/* The command tree for people at a terminal: commander, output, and the one place where errors are printed. */
import { Command, CommanderError, Option } from 'commander'
import { configForSession } from '../config/index.js'
import { execInSession } from '../session/exec.js'
import { systemNames } from '../session/request.js'
import { traceCalls } from '../sys/call.js'
import { UnsupportedError, UsageError } from '../sys/errors.js'
import { getgrouplist, getpwuid } from '../sys/names.js'
import { requireKernel } from '../sys/probe.js'
import { check } from './check.js'
import { type EpilogFlags, type ReapFlags, runEpilog, runReap } from './cleanup.js'
import { type DemoOptions, demo } from './demo.js'
import { type ExplainOptions, explain } from './explain.js'
import { list } from './list.js'
import { PAM_OPTIONS } from './pam-options.js'
import { describeError, EXIT, exitStatusOf } from './report.js'
import { setup } from './setup.js'

declare const POLYNS_VERSION: string

const out = (text: string): void => {
  process.stdout.write(text)
}
const err = (text: string): void => {
  process.stderr.write(text)
}
const onTerminal = (): boolean => process.stdout.isTTY === true && process.env.NO_COLOR === undefined

/** Runs the command line, prints what went wrong, and sets the exit status. */
export async function main(argv: readonly string[]): Promise<void> {
  try {
    await commands().parseAsync([...argv])
  } catch (error) {
    if (error instanceof CommanderError) {
      // Help and version end this way too, and have printed what they have to say.
      process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage
      return
    }
    err(`polyns: ${describeError(error, { stack: true })}\n`)
    process.exitCode = exitStatusOf(error)
  }
}

function commands(): Command {
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

  const pam = program.command('pam').description('open or close a session; called by pam_exec, never by hand')
  for (const { name, value, help } of PAM_OPTIONS)
    pam.option(value === undefined ? name : `${name} <${value}>`, help)

  program
    .command('setup')
    .description(
      'the boot step: make / shared, polydirs and instance parents private, and drop what is stale',
    )
    .option('--dry-run', 'print the steps as mount(8) lines, and change nothing')
    .option('--undo', 'give back the mount table from before')
    .option('--share <DIR>', 'make the tree below DIR shared too; may be given again', collect)
    .option('--keep-root', 'leave the propagation of / as it is')
    .option('--config <FILE>', 'read FILE, strictly, in place of the default configuration')
    .action((options: SetupFlags) => {
      const { dryRun = false, undo = false, keepRoot = false, share = [], ...rest } = options
      const io = { names: systemNames, out, err, color: onTerminal() }
      process.exitCode = setup({ dryRun, undo, keepRoot, share, ...rest }, io)
    })

  program
    .command('exec [command...]')
    .description("run a command, or a login shell, in a user's private namespace, as that user")
    .option('-u, --user <USER>', 'the user; without it, the one who runs polyns')
    .option('-j, --job <JOB>', 'the SLURM job whose directories it shall see')
    .option('--config <FILE>', 'read FILE, strictly, in place of the default configuration')
    .passThroughOptions()
    .action(runExec)

  program
    .command('demo')
    .description('show what polyns does, on a throw-away machine: needs no root and changes nothing')
    .addOption(new Option('--inside <NAMESPACE>').hideHelp())
    .addOption(new Option('--one-uid <WHY>').hideHelp())
    .addOption(new Option('--session <USER>').hideHelp())
    .addOption(new Option('--mount <DIR>').hideHelp())
    .action(async (options: DemoOptions) => {
      process.exitCode = await demo(options, { out, color: onTerminal() })
    })

  program
    .command('list')
    .description('the sessions, whose they are, and what each has of its own')
    .option('--json', 'as JSON')
    .action((options: { json?: boolean }) =>
      list({ json: options.json === true }, { out, color: onTerminal() }),
    )

  program
    .command('epilog')
    .description(
      "SLURM's epilog: removes what was the job's, and what is the user's if he has nothing left here",
    )
    .option('--wait <TIME>', 'wait so long for the last processes of the job', '0s')
    .option('--budget <TIME>', 'delete for so long; the rest is for the next reap', '30s')
    .option('--kill', 'end what the user has left running, if he has no session and no job here')
    .option(
      '--stop-user-manager',
      "stop the user's lingering systemd manager, if nothing else of his is here",
    )
    .option('--dry-run', 'say what would be removed, and change nothing')
    .option('--config <FILE>', 'read FILE, strictly, in place of the default configuration')
    .option('--json', 'as JSON')
    .action((options: EpilogFlags) => {
      process.exitCode = runEpilog(options, process.env, { out, err })
    })

  program
    .command('reap')
    .description('for cron or a timer: removes the directories of users who have nothing left here')
    .option('--idle <TIME>', 'only of users who have been gone for so long', '0s')
    .option('--budget <TIME>', 'delete for so long; the rest is for the next run', '10m')
    .option('--dry-run', 'say what would be removed, and change nothing')
    .option('--config <FILE>', 'read FILE, strictly, in place of the default configuration')
    .option('--json', 'as JSON')
    .action((options: ReapFlags) => {
      process.exitCode = runReap(options, { out, err })
    })

  program
    .command('explain')
    .description('what a login of a user would get and why, step by step; changes nothing')
    .requiredOption('-u, --user <USER>', 'who would log in')
    .option('--ruser <USER>', 'who asks, for su and sudo')
    .option('-s, --service <SERVICE>', 'the PAM service; the options of polyns in its stack count')
    .option('-j, --job <JOB>', 'the SLURM job that it would be in')
    .option('--config <FILE>', 'read FILE, strictly, in place of the default configuration')
    .option('--json', 'as JSON')
    .action((options: Omit<ExplainOptions, 'json'> & { json?: boolean }) => {
      process.exitCode = explain(
        { ...options, json: options.json === true },
        { names: systemNames, gidsOf: ({ name, gid }) => getgrouplist(name, gid), out, color: onTerminal() },
      )
    })

  program
    .command('check [files...]')
    .description('read the configuration, or the files named, and say what each line means and what is wrong')
    .option(
      '--strict',
      'read it as polyns reads its own file: mistakes that pam_namespace accepts are errors',
    )
    .option('--user <USER>', 'only what applies to USER, with $USER and $HOME expanded')
    .option('--ruser <USER>', 'the requesting user, for su and sudo')
    .option('--config <FILE>', 'read FILE as a session would')
    .option('--json', 'as JSON')
    .action((files: string[], options: CheckFlags) => {
      const { strict = false, json = false, ...rest } = options
      const gidsOf = (user: { name: string; gid: number }) => getgrouplist(user.name, user.gid)
      process.exitCode = check(
        { files, strict, json, ...rest },
        { names: systemNames, gidsOf, out, err, color: onTerminal() },
      )
    })

  return program
}

/** strace for free: each call with its arguments decoded and its result, and no tracer that could be in adoption's way. */
async function startTrace(): Promise<void> {
  const { destination, pino } = await import('pino')
  const log = pino({ level: 'debug', base: { pid: process.pid } }, destination({ fd: 2, sync: true }))
  traceCalls((line) => log.debug(line))
}

const collect = (value: string, before: string[] = []): string[] => [...before, value]

interface SetupFlags {
  dryRun?: boolean
  undo?: boolean
  keepRoot?: boolean
  share?: string[]
  config?: string
}

interface CheckFlags {
  strict?: boolean
  json?: boolean
  user?: string
  ruser?: string
  config?: string
}

function runExec(command: string[], options: { user?: string; job?: string; config?: string }): void {
  if (process.geteuid?.() !== 0) {
    throw new UnsupportedError(
      "entering a user's private namespace",
      `needs root, but runs as uid ${process.geteuid?.()}`,
    )
  }
  // It becomes a part of a path.
  if (options.job !== undefined && !/^[1-9]\d{0,9}$/.test(options.job))
    throw new UsageError(`--job takes the number of a job, not '${options.job}'`)
  requireKernel()
  const { config, usedLastGood, brokenBecause } = configForSession({
    names: systemNames,
    config: options.config,
  })
  if (usedLastGood)
    err(`polyns: the configuration is broken, the last good one is used: ${brokenBecause[0]?.message}\n`)
  execInSession({
    user: options.user ?? getpwuid(process.getuid?.() ?? 0)?.name ?? 'root',
    job: options.job,
    command,
    config,
    env: process.env,
    opened: (outcome) => {
      if (outcome.kind === 'nothing') err(`polyns: ${outcome.why}: this runs in the host's view\n`)
    },
  })
}
