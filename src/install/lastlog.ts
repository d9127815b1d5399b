/* What polyns has just told the system log of a refused session: a PAM module's caller does not get to hear it. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { attempt, has } from './files.js'

const FILES = ['/var/log/auth.log', '/var/log/secure', '/var/log/messages', '/var/log/syslog']
const TAIL_BYTES = 65536

/** @returns the newest line about this service and user, or where to look for it */
export function reasonOf(service: string, user: string): string {
  const about = new RegExp(`${literally(service)}: .*\\b${literally(user)}\\b.*: (?:refused|failed)\\b.*`)
  const lines = [journal(), ...FILES.map(tailOf)].flatMap((text) => text.split('\n'))
  const said = lines.flatMap((line) => about.exec(line)?.[0] ?? []).at(-1)
  if (said !== undefined) return `polyns has logged '${said}'`
  return 'the system log (authpriv) has what polyns said: journalctl -t polyns, or /var/log/auth.log'
}

const literally = (text: string) => text.replace(/\W/g, '\\$&')

function journal(): string {
  if (!has('journalctl')) return ''
  return attempt('journalctl', '-t', 'polyns', '-n', '20', '--since', '-5min', '-o', 'cat', '--no-pager')
    .stdout
}

function tailOf(file: string): string {
  try {
    const fd = openSync(file, 'r')
    try {
      const buffer = Buffer.alloc(TAIL_BYTES)
      const from = Math.max(0, fstatSync(fd).size - TAIL_BYTES)
      return buffer.toString('utf8', 0, readSync(fd, buffer, 0, TAIL_BYTES, from))
    } finally {
      closeSync(fd)
    }
  } catch {
    return '' // another log, then, or none
  }
}
