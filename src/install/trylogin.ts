/*
 * One session through libpam, opened and closed again by this process, and what it saw: run in a process of its own, since a
 * session module changes the thread that calls it, and may hang.
 */
import { readFileSync, readlinkSync } from 'node:fs'
import { uidOfMark } from '../ns/marker.js'
import { SyscallError } from '../sys/errors.js'
import { PamTrial } from '../sys/pam.js'
import { statx } from '../sys/stat.js'

export interface TrialRequest {
  service: string
  user: string
  /** The stacks in place of /etc/pam.d; null: those. */
  confdir: string | null
  /** Directories to look at while the session is open. */
  polydirs: readonly string[]
}

export interface TrialReport {
  opened: boolean
  closed: boolean
  /** What PAM says of it, and what its modules said. */
  said: string
  before: Sight
  inside: Sight
}

export interface Sight {
  /** `mnt:[4026531840]` */
  namespace: string
  /** Whose private namespace it is. */
  marked: number | null
  /** `8:1 1234` by path; null: it is not there. */
  files: Record<string, string | null>
}

const TTYS: Readonly<Record<string, string>> = { sshd: 'ssh', cron: 'cron', crond: 'cron' }

export function tryLogin({ service, user, confdir, polydirs }: TrialRequest): TrialReport {
  const before = look(polydirs)
  using trial = new PamTrial({ service, user, confdir, tty: TTYS[service] ?? null, ruser: 'root' })
  const opened = trial.open()
  const inside = look(polydirs)
  const closed = opened.ok ? trial.close() : null
  const failed = !opened.ok ? opened.text : closed?.ok === false ? closed.text : ''
  const said = [failed, ...trial.messages].filter((text) => text !== '').join('; ')
  return { opened: opened.ok, closed: closed?.ok === true, said, before, inside }
}

/** Of this thread: Node has others, which stay where they are. */
function look(polydirs: readonly string[]): Sight {
  const own = '/proc/thread-self'
  return {
    namespace: readlinkSync(`${own}/ns/mnt`),
    marked: uidOfMark(readFileSync(`${own}/mountinfo`, 'utf8')),
    files: Object.fromEntries(polydirs.map((path) => [path, identity(path)])),
  }
}

export function identity(path: string): string | null {
  try {
    const { dev, ino } = statx(null, path)
    return `${dev} ${ino}`
  } catch (error) {
    if (error instanceof SyscallError && ['ENOENT', 'ENOTDIR'].includes(error.code)) return null
    throw error
  }
}
