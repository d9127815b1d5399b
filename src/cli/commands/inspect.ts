/* polyns inspect on the command line. */
import type { Command } from 'commander'
import { runInspect } from '../inspect.js'
import type { Io } from '../io.js'

export function addInspect(program: Command, io: Io): void {
  program
    .command('inspect <pid>')
    .description("what a process sees, how that differs from the host's view, and why; changes nothing")
    .option('--json', 'as JSON')
    .action((pid: string, options: { json?: boolean }) =>
      runInspect({ pid, json: options.json === true }, io),
    )
}
