/* `polyns pam` as a bundle of its own: what every login and its end load, and nothing else. */
import { takeBackAlarm } from '../sys/alarm.js'
import { exitGroup } from '../sys/process.js'
import { pam } from './pam.js'
import { close } from './pam-close.js'
import { open } from './pam-open.js'

takeBackAlarm()
// All is written by now, and the application waits: Node's own way out takes 5 ms.
exitGroup(pam(process.argv.slice(3), process.env, { open, close }))
