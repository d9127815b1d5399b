/*
 * bin/polyns sets an alarm before it starts Node, which ends the process after half a minute: where no thread can be started (a
 * limit of tasks is reached) Node 20 hangs before it runs a line of ours. Once one runs it is taken back.
 */
import { libc } from './koffi.js'

/** alarm(2) of 0: no SIGALRM comes any more. */
export function takeBackAlarm(): void {
  libc.func('alarm', 'uint', ['uint'])(0)
}
