/*
 * Runs pamapp.mjs, a PAM application made for tests, in a sandbox, and reads its reports. For more than one session, or for
 * what an ordinary application does, the sandbox also has `pamtester SERVICE USER open_session close_session` (its -E hands
 * PAM variables on, -I sets items: `-I ruser=alice -I tty=pts/0`).
 */

import type { Result, Running } from './run.js'
import type { Sandbox } from './sandbox.js'

export interface Options {
  service: string
  user: string
  /** PAM items. */
  ruser?: string
  rhost?: string
  tty?: string
  /** pam_putenv. */
  env?: Record<string, string>
  /** What the application is before it opens the session, done in this order. */
  umask?: number
  chdir?: string
  chroot?: string
  egid?: number
  /** Real user id, as su has it: root effective, the caller's real. */
  ruid?: number
  /** Threads besides Node's own (which has several). */
  threads?: number
  /** Signal numbers to block in the main thread. */
  block?: number[]
  /** Shell text to run as a child of the application while the session is open. */
  command?: string
  /** The same, after it is closed. */
  after?: string
  /** Whether to close the session; false: end without. */
  close?: boolean
}

/** The state of the application itself (its main thread, which made the PAM calls). */
export interface State {
  mntNs: string
  cwd: string
  root: string
  /** Lines of its mountinfo for /tmp, /var/tmp and /dev/shm and all below. */
  mounts: string[]
  /** fd number and what it is. */
  fds: string[]
  umask: string
  sigBlk: string
  sigIgn: string
  seccomp: string
  tracerPid: number
  uids: string
  gids: string
  /** `pid state command`, zombies too. */
  children: string[]
}

export interface Report {
  pid: number
  /** What pam_open_session returned, 0 is PAM_SUCCESS; and its name. */
  open: number
  openText: string
  close?: number
  before: State
  opened: State
  closed?: State
  command?: { status: number | null; stdout: string; stderr: string }
  after?: { status: number | null; stdout: string; stderr: string }
  /** Milliseconds that each call took. */
  openMs: number
  closeMs?: number
  /** What the modules said through the conversation. */
  messages: string[]
  /** pam_getenvlist at the end. */
  pamEnv: string[]
}

export interface Held {
  running: Running
  /** The application's pid in the sandbox. */
  pid: number
  /** What is known while it is open. */
  report: Report
  /** Ends the session. */
  close(): Promise<Report>
}

const argv = (options: Options & { hold?: boolean }) => [
  'node',
  '/opt/polyns/test/support/pamapp.mjs',
  JSON.stringify(options),
]

/** @throws {Error} if the application itself fails; a refused session is in the report */
export async function run(box: Sandbox, options: Options, how: { timeoutMs?: number }): Promise<Report> {
  return parse(await box.run(argv(options), how))
}

export async function hold(box: Sandbox, options: Options, how: { timeoutMs?: number }): Promise<Held> {
  const running = box.spawn(argv({ ...options, hold: true }), { ...how, input: 'pipe' })
  const [, line = '{}'] = await running.waitFor(/^held (.*)\n/m, how.timeoutMs ?? 30_000)
  const report = JSON.parse(line) as Report
  return {
    running,
    pid: report.pid,
    report,
    async close() {
      running.child.stdin?.end()
      return parse(await running.exited)
    },
  }
}

function parse(result: Result): Report {
  const line = /^done (.*)$/m.exec(result.stdout)?.[1]
  if (line === undefined)
    throw new Error(`pamapp gave no report (status ${result.status}, ${result.signal})\n${result.stderr}`)
  return JSON.parse(line) as Report
}
