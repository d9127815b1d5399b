/* polyns doctor on the command line. */
import type { Command } from 'commander'
import { doctor } from '../doctor.js'
import type { Io } from '../io.js'

interface Flags {
  json?: boolean
  all?: boolean
  strict?: boolean
  config?: string
}

export function addDoctor(program: Command, io: Io): void {
  program
    .command('doctor')
    .description('examine this host: what is not in order, why it matters, and the command that mends it')
    .option('--all', 'also what is in order')
    .option('--strict', 'a warning counts as an error in the exit status')
    .option('--config <FILE>', 'read FILE, strictly, in place of the default configuration')
    .option('--json', 'as JSON')
    .action(({ all = false, strict = false, json = false, ...rest }: Flags) => {
      process.exitCode = doctor({ all, strict, json, ...rest }, io)
    })
}
