/* polyns explain on the command line. */
import { type Command, Option } from 'commander'
import { systemNames } from '../../session/request.js'
import { getgrouplist } from '../../sys/names.js'
import { parseDuration } from '../duration.js'
import { type ExplainOptions, explain } from '../explain.js'
import { inTime, LOOKER, tellWhere } from '../in-time.js'
import type { Io } from '../io.js'

type Flags = Omit<ExplainOptions, 'json'> & { json?: boolean; timeout: string; looker?: string }

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
    .option('--timeout <TIME>', 'how long to wait for paths that do not answer', '60s')
    .addOption(new Option(LOOKER).hideHelp())
    .action(async ({ timeout, looker, ...options }: Flags) => {
      const timeoutMs = parseDuration('--timeout', timeout)
      if (looker === undefined) {
        process.exitCode = await inTime({ what: 'explaining a login', timeoutMs }, io)
        return
      }
      tellWhere()
      process.exitCode = explain(
        { ...options, json: options.json === true },
        {
          names: systemNames,
          gidsOf: ({ name, gid }) => getgrouplist(name, gid),
          ...io,
          color: looker === 'color',
        },
      )
    })
}
