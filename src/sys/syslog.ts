/*
 * The system log, as syslog(3) writes it. The facility is authpriv: what PAM modules use, and what only root reads.
 * Not by syslog(3) itself, which waits without a limit where the log's reader has stopped and its queue is full: then every
 * login of the machine would hang. Here a line that is not taken within a second is lost, and those after it do not wait.
 */
import { bind, escapeControls } from './call.js'
import { ERRNO } from './errno.js'

export const LOG = { ALERT: 1, CRIT: 2, ERR: 3, WARNING: 4, NOTICE: 5, INFO: 6, DEBUG: 7 } as const
export type Priority = (typeof LOG)[keyof typeof LOG]

const LOG_AUTHPRIV = 10 << 3
const PATH = '/dev/log'
/** What journald and rsyslog take as one line by default. */
const MAX_BYTES = 8192
const WAIT_S = 1

const AF_UNIX = 1
const SOCK_STREAM = 1
const SOCK_DGRAM = 2
const SOCK_CLOEXEC = 0o2000000
const SOL_SOCKET = 1
const SO_SNDTIMEO = 21
const MSG_DONTWAIT = 0x40
const MSG_NOSIGNAL = 0x4000

const closeCall = bind('close', 'int')
const socketCall = bind('socket', 'int', 'int', 'int')
const connectCall = bind('connect', 'int', 'ptr', 'int')
const setsockoptCall = bind('setsockopt', 'int', 'int', 'int', 'ptr', 'int')
const sendtoCall = bind('sendto', 'int', 'ptr', 'ulong', 'int', 'ptr', 'int')

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

interface Connection {
  fd: number
  isStream: boolean
}
let connection: Connection | undefined
let isStuck = false

/** Logs one line: control characters are escaped, so that a hostile user name cannot forge another line. Never throws. */
export function syslog(priority: Priority, text: string): void {
  const head = `<${LOG_AUTHPRIV | priority}>${time(new Date())} polyns[${process.pid}]: `
  const line = Buffer.from(head + escapeControls(text)).subarray(0, MAX_BYTES)
  // The log may have been started anew since: a second connection then.
  for (let tries = 0; tries < 2; tries++) {
    connection ??= connect(SOCK_DGRAM) ?? connect(SOCK_STREAM)
    if (connection === undefined) return // there is no log
    const { fd, isStream } = connection
    // In a stream a zero byte is what ends a line.
    const data = isStream ? Buffer.concat([line, Buffer.of(0)]) : line
    const rc = sendtoCall(fd, data, data.length, MSG_NOSIGNAL | (isStuck ? MSG_DONTWAIT : 0), null, 0)
    if (rc === -ERRNO.EAGAIN) isStuck = true
    if (rc >= 0 || rc === -ERRNO.EAGAIN) return
    closeCall(fd)
    connection = undefined
  }
}

// No call here goes through check(): with --debug each of its calls is a line here.
function connect(type: number): Connection | undefined {
  const fd = socketCall(AF_UNIX, type | SOCK_CLOEXEC, 0)
  if (fd < 0) return undefined
  const limit = Buffer.alloc(16) // struct timeval
  limit.writeBigInt64LE(BigInt(WAIT_S), 0)
  setsockoptCall(fd, SOL_SOCKET, SO_SNDTIMEO, limit, limit.length)
  const address = Buffer.from(`\0\0${PATH}\0`)
  address.writeUInt16LE(AF_UNIX, 0)
  if (connectCall(fd, address, address.length) === 0) return { fd, isStream: type === SOCK_STREAM }
  closeCall(fd)
  return undefined
}

/** `Jan  2 03:04:05`, local, as RFC 3164 has it. */
function time(now: Date): string {
  const two = (n: number) => `${n}`.padStart(2, '0')
  const clock = [now.getHours(), now.getMinutes(), now.getSeconds()].map(two).join(':')
  return `${MONTHS[now.getMonth()]} ${`${now.getDate()}`.padStart(2)} ${clock}`
}
