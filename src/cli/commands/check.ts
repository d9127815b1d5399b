/* polyns check on the command line. */
import type { Command } from 'commander'
import { systemNames } from '../../session/request.js'
import { getgrouplist } from '../../sys/names.js'
import { check } from '../check.js'
import type { Io } from '../io.js'

interface Flags {
  strict?: boolean
  json?: boolean
  user?: string
  ruser?: string
  config?: string
}

export function addCheck(program: Command, io: Io): void {
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
    .action((files: string[], options: Flags) => {
      const { strict = false, json = false, ...rest } = options
      process.exitCode = check(
        { files, strict, json, ...rest },
        { names: systemNames, gidsOf: ({ name, gid }) => getgrouplist(name, gid), ...io },
      )
    })
}
