/* syslog(3). The facility is authpriv: what PAM modules use, and what only root reads. */
import { escapeControls } from './call.js'
import { koffi, libc } from './koffi.js'

export const LOG = { ALERT: 1, CRIT: 2, ERR: 3, WARNING: 4, NOTICE: 5, INFO: 6, DEBUG: 7 } as const
export type Priority = (typeof LOG)[keyof typeof LOG]

const LOG_AUTHPRIV = 10 << 3
const LOG_PID = 1
// openlog(3) keeps the pointer, so the text must live as long as the process.
const IDENT = Buffer.from('polyns\0')

let write: ((priority: number, format: string, type: string, text: string) => void) | undefined

/** Logs one line: control characters are escaped, so that a hostile user name cannot forge another line. */
export function syslog(priority: Priority, text: string): void {
  if (write === undefined) {
    libc.func('openlog', 'void', ['void *', 'int', 'int'])(koffi.address(IDENT), LOG_PID, LOG_AUTHPRIV)
    write = libc.func('void syslog(int priority, const char *format, ...)') as NonNullable<typeof write>
  }
  write(priority, '%s', 'str', escapeControls(text))
}
