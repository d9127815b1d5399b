/* polyns explain on the command line. */
import type { Command } from 'commander'
import { systemNames } from '../../session/request.js'
import { getgrouplist } from '../../sys/names.js'
import { type ExplainOptions, explain } from '../explain.js'
import type { Io } from '../io.js'

type Flags = Omit<ExplainOptions, 'json'> & { json?: boolean }

export function addExplain(program: Command, io: Io): void {
  program
    .command('explain')
    .description('what a login of a user would get and why, step by step; changes nothing')
    .requiredOption('-u, --user <USER>', 'who would log in')
    .option('--ruser <USER>', 'who asks, for su and sudo')
    .option('-s, --service <SERVICE>', 'the PAM service; the options of polyns in its stack count')
    .option('-j, --job <JOB>', 'the SLURM job that it would be in')
    .option('--config <FILE>', 'read FILE, strictly, in place of the default configuration')
    .option('--json', 'as JSON')
    .action((options: Flags) => {
      process.exitCode = explain(
        { ...options, json: options.json === true },
        { names: systemNames, gidsOf: ({ name, gid }) => getgrouplist(name, gid), ...io },
      )
    })
}
