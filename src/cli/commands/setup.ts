/* polyns setup on the command line. */
import { type Command, Option } from 'commander'
import { systemNames } from '../../session/request.js'
import { parseDuration } from '../duration.js'
import { inTime, LOOKER, tellWhere } from '../in-time.js'
import type { Io } from '../io.js'
import { setup } from '../setup.js'

interface Flags {
  dryRun?: boolean
  undo?: boolean
  keepRoot?: boolean
  share?: string[]
  config?: string
  timeout: string
  looker?: string
}

export function addSetup(program: Command, io: Io): void {
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
    .option('--timeout <TIME>', 'how long a --dry-run waits for paths that do not answer', '60s')
    .addOption(new Option(LOOKER).hideHelp())
    .action(async ({ timeout, looker, ...options }: Flags) => {
      const { dryRun = false, undo = false, keepRoot = false, share = [], ...rest } = options
      const timeoutMs = parseDuration('--timeout', timeout)
      if (dryRun && looker === undefined) {
        process.exitCode = await inTime({ what: 'setting up the host, as a dry run', timeoutMs }, io)
        return
      }
      if (looker !== undefined) tellWhere()
      const flags = { dryRun, undo, keepRoot, share, ...rest }
      process.exitCode = setup(flags, { names: systemNames, ...io, color: io.color || looker === 'color' })
    })
}

const collect = (value: string, before: string[] = []): string[] => [...before, value]
