/* polyns setup on the command line. */
import type { Command } from 'commander'
import { systemNames } from '../../session/request.js'
import type { Io } from '../io.js'
import { setup } from '../setup.js'

interface Flags {
  dryRun?: boolean
  undo?: boolean
  keepRoot?: boolean
  share?: string[]
  config?: string
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
    .action((options: Flags) => {
      const { dryRun = false, undo = false, keepRoot = false, share = [], ...rest } = options
      process.exitCode = setup({ dryRun, undo, keepRoot, share, ...rest }, { names: systemNames, ...io })
    })
}

const collect = (value: string, before: string[] = []): string[] => [...before, value]
