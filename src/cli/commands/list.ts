/* polyns list on the command line. */
import type { Command } from 'commander'
import type { Io } from '../io.js'
import { list } from '../list.js'

export function addList(program: Command, io: Io): void {
  program
    .command('list')
    .description('the sessions, whose they are, and what each has of its own')
    .option('--json', 'as JSON')
    .action((options: { json?: boolean }) => list({ json: options.json === true }, io))
}
