/* login.ts without what opening takes, for the single executable: what is compiled ahead has to be read at each start. */
import { takeBackAlarm } from '../sys/alarm.js'
import { exitGroup } from '../sys/process.js'
import { pam } from './pam.js'
import { close } from './pam-close.js'

takeBackAlarm()
exitGroup(pam(process.argv.slice(3), process.env, { close }))
