/* polyns list on the command line. */
import type { Command } from 'commander'
import type { Io } from '../io.js'
import { type ListFlags, list } from '../list.js'

export function addList(program: Command, io: Io): void {
  program
    .command('list')
    .description('the sessions, whose they are, what each has of its own, and how much that is')
    .option('--json', 'as JSON')
    .option('--budget <TIME>', 'how long to measure sizes, in all; 0: no sizes', '1s')
    .option('--config <FILE>', 'read the configuration from FILE')
    .action((options: ListFlags) => list(options, io))
}
