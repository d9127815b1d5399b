/* `polyns pam` as a bundle of its own: what every login loads, and nothing else. */
import { takeBackAlarm } from '../sys/alarm.js'
import { exitGroup } from '../sys/process.js'
import { pam } from './pam.js'

takeBackAlarm()
// All is written by now, and the application waits: Node's own way out takes 5 ms.
exitGroup(pam(process.argv.slice(3), process.env))
