/* polyns exec on the command line: the way in for what has no PAM. */
import type { Command } from 'commander'
import { configForSession } from '../../config/index.js'
import { execInSession } from '../../session/exec.js'
import { systemNames } from '../../session/request.js'
import { UsageError } from '../../sys/errors.js'
import { getpwuid } from '../../sys/names.js'
import { requireKernel } from '../../sys/probe.js'
import type { Io } from '../io.js'
import { requireRoot } from '../root.js'

interface Flags {
  user?: string
  job?: string
  config?: string
}

export function addExec(program: Command, io: Io): void {
  program
    .command('exec [command...]')
    .description("run a command, or a login shell, in a user's private namespace, as that user")
    .option('-u, --user <USER>', 'the user; without it, the one who runs polyns')
    .option('-j, --job <JOB>', 'the SLURM job whose directories it shall see')
    .option('--config <FILE>', 'read FILE, strictly, in place of the default configuration')
    .passThroughOptions()
    .action((command: string[], options: Flags) => runExec(command, options, io))
}

function runExec(command: string[], options: Flags, { err }: Io): void {
  requireRoot("entering a user's private namespace")
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
