/* The whole program. A login runs the part in login.ts, by tools/start.cjs; here `pam` is for everybody else. */
import { pam } from './pam.js'

const [command, ...args] = process.argv.slice(2)

if (command === 'pam' && !args.includes('--help') && !args.includes('-h')) {
  process.exitCode = pam(args, process.env)
} else {
  void import('./program.js').then(({ main }) => main(process.argv))
}
