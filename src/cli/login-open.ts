/* login.ts without what closing takes, for the single executable: what is compiled ahead has to be read at each start. */
import { takeBackAlarm } from '../sys/alarm.js'
import { exitGroup } from '../sys/process.js'
import { pam } from './pam.js'
import { open } from './pam-open.js'

takeBackAlarm()
exitGroup(pam(process.argv.slice(3), process.env, { open }))
