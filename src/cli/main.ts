/*
 * The entry. `polyns pam` is kept apart from all other commands, which load commander: it runs at every login.
 */
import { pam } from './pam.js'

const [command, ...args] = process.argv.slice(2)

if (command === 'pam' && !args.includes('--help') && !args.includes('-h')) {
  process.exitCode = pam(args, process.env)
} else {
  void import('./program.js').then(({ main }) => main(process.argv))
}
