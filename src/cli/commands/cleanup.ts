/* polyns epilog and polyns reap on the command line. */
import type { Command } from 'commander'
import { type EpilogFlags, type ReapFlags, runEpilog, runReap } from '../cleanup.js'
import type { Io } from '../io.js'

export function addEpilog(program: Command, io: Io): void {
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
      process.exitCode = runEpilog(options, process.env, io)
    })
}

export function addReap(program: Command, io: Io): void {
  program
    .command('reap')
    .description('for cron or a timer: removes the directories of users who have nothing left here')
    .option('--idle <TIME>', 'only of users who have been gone for so long', '0s')
    .option('--budget <TIME>', 'delete for so long; the rest is for the next run', '10m')
    .option('--dry-run', 'say what would be removed, and change nothing')
    .option('--config <FILE>', 'read FILE, strictly, in place of the default configuration')
    .option('--json', 'as JSON')
    .action((options: ReapFlags) => {
      process.exitCode = runReap(options, io)
    })
}
