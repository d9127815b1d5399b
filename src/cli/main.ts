/* The whole program. A login runs the part in login.ts, by tools/start.cjs; here `pam` is for everybody else. */
import { takeBackAlarm } from '../sys/alarm.js'
import { exitGroup } from '../sys/process.js'
import { pam } from './pam.js'
import { close } from './pam-close.js'
import { open } from './pam-open.js'

takeBackAlarm()
// Node's own way out syncs stdout and stderr, and where that gives an error it never ends.
process.once('exit', exitGroup)

const [command, ...args] = process.argv.slice(2)

// Called by pam_exec a mere help would pass for a session that was opened.
const asksForHelp = process.env.PAM_TYPE === undefined && (args.includes('--help') || args.includes('-h'))
if (command === 'pam' && !asksForHelp) {
  process.exitCode = pam(args, process.env, { open, close })
} else {
  void import('./program.js').then(({ main }) => main(process.argv))
}
