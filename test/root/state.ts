/* What a root test compares: the sandbox before and after, an application before and after, and what was logged. */
import { POLYNS } from '../support/install.js'
import type { Report, State } from '../support/pamapp.js'
import { sleep } from '../support/run.js'
import type { Sandbox, Snapshot } from '../support/sandbox.js'

/** A snapshot once every login is over, or five seconds have passed: sshd takes a moment to end a session. */
export async function settled(box: Sandbox): Promise<Snapshot> {
  const inSession = () => box.processes().some((p) => /\[priv\]|^\[?sshd\]?$|polyns/.test(p.command))
  for (let i = 0; i < 250 && inSession(); i++) await sleep(20)
  return box.snapshot()
}

/** What a session changes of an application are its namespace, its mounts and its working directory. This is the rest. */
export function withoutView(state: State | undefined): Partial<State> {
  const { mntNs: _ns, mounts: _mounts, cwd: _cwd, ...rest } = state ?? {}
  return rest
}

/**
 * Both states of an application whose session was refused, for `t.same(...wasRefused(report))`. pam_exec has logged the
 * failure, and libc keeps the socket of the log open: that one is left out.
 */
export function wasRefused({ open, opened, before }: Report): [unknown, unknown] {
  const isLog = (fd: string) => / socket:/.test(fd) && !before.fds.includes(fd)
  const log = opened.fds.find(isLog)
  const fds = opened.fds.filter((fd) => fd !== log)
  return [
    { refused: open !== 0, ...opened, fds },
    { refused: true, ...before },
  ]
}

/** What polyns has sent to the system log, without its pid: `authpriv.err: sshd: open_session of alice: refused: ...`. */
export async function logged(box: Sandbox, from = 0): Promise<string[]> {
  const lines = (await box.syslog()).filter((line) => / polyns\[\d+\]: /.test(line))
  return lines.slice(from).map((line) => line.replace(/ polyns\[\d+\]/, ''))
}

/** The last line of that. */
export async function lastLogged(box: Sandbox): Promise<string> {
  return (await logged(box)).at(-1) ?? ''
}

export interface ShellReport {
  /** The exit status of `polyns pam`. */
  status: number
  /** The shell's own, after that. */
  mntNs: string
}

/** `polyns pam` as the child of a shell, which plays the application. */
export async function shellApp(
  box: Sandbox,
  env: Record<string, string>,
  options: { args?: string; user?: string; under?: string } = {},
): Promise<ShellReport> {
  const { args = '', under = '', ...how } = options
  const script = `${under} ${POLYNS} pam ${args}; echo "status $?"; readlink /proc/$$/ns/mnt`
  const out = await box.sh(['sh', '-c', script], {
    ...how,
    env: { PAM_TYPE: 'open_session', PAM_SERVICE: 'app', ...env },
  })
  const [, status, mntNs = ''] = /^status (\d+)\n(.*)\n$/.exec(out) ?? []
  if (status === undefined) throw new Error(`it wrote to the user's terminal: ${out}`)
  return { status: Number(status), mntNs }
}
