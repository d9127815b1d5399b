/*
 * Who holds a flock: /proc/locks names the process that took it. Not there: it is in a pid namespace that we cannot see, or has
 * let go at this moment.
 */
import { readFileSync } from 'node:fs'
import { statFields } from '../ns/target.js'
import type { Fd } from '../sys/fd.js'
import { type Stat, statx } from '../sys/stat.js'

export interface Holder {
  pid: number
  name: string
  /** In clock ticks since boot: a pid may be given out again. */
  startTime: string
  /** By SIGSTOP or job control: it does not go on by itself. */
  isStopped: boolean
}

/**
 * The pid in the line of a held flock(2) on that file; those that wait for one have an arrow. proc_locks(5):
 *
 *   1: FLOCK  ADVISORY  WRITE 4711 00:18:1234 0 EOF
 *   1: -> FLOCK  ADVISORY  WRITE 4712 00:18:1234 0 EOF
 *
 * @param locks the text of /proc/locks, where device numbers are hexadecimal
 */
export function parseHolder(locks: string, { dev, ino }: Pick<Stat, 'dev' | 'ino'>): number | null {
  const [major, minor] = dev.split(':').map((part) => Number(part).toString(16).padStart(2, '0'))
  const line = new RegExp(`^\\d+: FLOCK\\s+ADVISORY\\s+\\w+ (\\d+) ${major}:${minor}:${ino} `, 'm')
  const pid = line.exec(locks)?.[1]
  return pid === undefined ? null : Number(pid)
}

export function holderOf(file: Fd): Holder | null {
  try {
    const pid = parseHolder(readFileSync('/proc/locks', 'utf8'), statx(file))
    if (pid === null) return null
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = statFields(stat)
    const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'))
    return { pid, name, startTime: fields[19] ?? '', isStopped: fields[0] === 'T' }
  } catch {
    return null // it has ended meanwhile, or /proc/locks is not there to be read
  }
}
