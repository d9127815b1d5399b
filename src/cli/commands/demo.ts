/* polyns demo on the command line. */
import { type Command, Option } from 'commander'
import { type DemoOptions, demo } from '../demo.js'
import type { Io } from '../io.js'

export function addDemo(program: Command, io: Io): void {
  program
    .command('demo')
    .description('show what polyns does, on a throw-away machine: needs no root and changes nothing')
    .addOption(new Option('--inside <NAMESPACE>').hideHelp())
    .addOption(new Option('--one-uid <WHY>').hideHelp())
    .addOption(new Option('--session <USER>').hideHelp())
    .addOption(new Option('--mount <DIR>').hideHelp())
    .action(async (options: DemoOptions) => {
      process.exitCode = await demo(options, io)
    })
}
