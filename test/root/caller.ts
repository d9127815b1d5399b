/*
 * The programs that open sessions on a real machine, with Debian's own PAM stacks, and what a session sees that comes by one
 * of them. `sees` runs in the session: it tells whose directory is there, and leaves a process behind that is asked once more
 * when the session is over.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { type Running, sleep, within } from '../support/run.js'
import type { Process, Sandbox } from '../support/sandbox.js'
import type { Shell } from './shell.js'

export interface Sight {
  user: string
  /** Whose file is in the directory: alice, bob, host, none. */
  whose: string
  /** The same for the working directory; its path where none is. */
  cwd: string
  /** `mnt:[...]` */
  ns: string
  /** Where the topmost mount at the directory comes from; empty: nothing is mounted there. */
  root: string
  /** Whose file the process left behind finds in the directory when the session is over. */
  left: string
}

/** Has `sees` run in a session, and `begun` resolves when it does. The result is for an error's message. */
export type Caller = (sees: string, begun: () => Promise<unknown>) => Promise<unknown>
/** The text of a shell command that runs `sees` as somebody else. */
export type SwitchCommand = (sees: string) => string

const SEES = `#!/bin/sh
setsid sleep "1000.$1" </dev/null >/dev/null 2>&1 &
{
  id -un
  cat "$2/whose" 2>/dev/null || echo none
  cat whose 2>/dev/null || pwd
  echo $!
} >/run/sees/$1.new
mv /run/sees/$1.new /run/sees/$1
until [ -e /run/sees/$1.end ]; do sleep 0.01; done
`

export class Lookout {
  #count = 0
  /** As Debian ships them. */
  readonly #stacks = new Map<string, string>()

  private constructor(readonly box: Sandbox) {}

  static async on(box: Sandbox): Promise<Lookout> {
    await box.write('/usr/local/bin/sees', SEES, 0o755)
    await box.sh('mkdir -m 1777 /run/sees')
    return new Lookout(box)
  }

  /** Puts the name of its owner into a directory, for all to read. */
  async mark(owner: string, directory: string): Promise<void> {
    await this.box.sh(`echo ${owner} >${directory}/whose; chmod 644 ${directory}/whose`)
  }

  /** Debian's stack of a service, with `line` as its last one or as the first. */
  async addLine(service: string, line: string, where: 'first' | 'last' = 'last'): Promise<void> {
    const stack = this.#stacks.get(service) ?? (await this.box.read(`/etc/pam.d/${service}`))
    this.#stacks.set(service, stack)
    const lines = [stack.trimEnd()]
    if (where === 'last') lines.push(line)
    else lines.unshift(line)
    if (service === 'su') lines.unshift('auth sufficient pam_permit.so') // nobody here has a password
    await this.box.pam(service, lines)
  }

  /** sshd with the stack that its service has by now, in place of the short one of other tests. */
  async startSshd(): Promise<void> {
    const stack = (await this.box.read('/etc/pam.d/sshd')).trimEnd().split('\n')
    await this.box.startSshd()
    await this.box.pam('sshd', stack)
  }

  /** What a session of `caller`'s sees. It is over then, and nothing of it runs any more; `during` runs while it does. */
  async look(
    caller: Caller,
    directory = '/tmp',
    during: () => Promise<unknown> = async () => {},
  ): Promise<Sight> {
    const id = `${++this.#count}`
    const before = new Set(this.box.processes().map((p) => p.hostPid))
    const told = this.#file(`/run/sees/${id}`)
    const said = caller(`/usr/local/bin/sees ${id} ${directory}`, () => told.catch(() => ''))
    const text = await told.catch(async (error: Error) => {
      throw new Error(`${error.message}: ${JSON.stringify(await within(1000, said))}`)
    })
    await during()
    writeFileSync(this.#path(`/run/sees/${id}.end`), '')
    await said
    const [user = '', whose = '', cwd = '', pid] = text.split('\n')
    const isLeft = (p: Process) => p.pid === Number(pid)
    await this.until('the caller to end', () =>
      this.box.processes().every((p) => before.has(p.hostPid) || isLeft(p)),
    )
    const process = this.box.processes().find(isLeft)
    if (process === undefined) throw new Error(`what ${user} left behind has ended with the session`)
    const left = whoseIs(directory, process)
    const root = mountRoot(directory, this.box.mountinfo(process.pid))
    await this.box.sh(`kill ${pid}`)
    await this.until('what was left behind to end', () => !this.box.processes().some(isLeft))
    return { user, whose, cwd, ns: process.mntNs, root, left }
  }

  /** A daemon that writes its pid to /run/second.pid, started from `shell`. Whoever asks for it ends it. */
  async daemon(shell: Shell, command: string): Promise<Process> {
    await this.box.sh('rm -f /run/second.pid')
    const said = await shell.run(command)
    const pid = await this.#file('/run/second.pid')
    const process = this.box.processes().find((p) => p.pid === Number(pid))
    if (process === undefined) throw new Error(`no process ${pid}: ${said}`)
    return process
  }

  ssh(user: string, options = ''): Caller {
    return (sees) => this.box.run(`ssh ${options} ${user}@127.0.0.1 ${sees}`)
  }

  /** From a shell of root's on the host, in /tmp. */
  fromHost(command: SwitchCommand): Caller {
    return (sees) => this.box.run(command(sees), { cwd: '/tmp' })
  }

  /** From a user's shell, in /tmp. */
  from(shell: Shell, command: SwitchCommand): Caller {
    return (sees) => shell.run(`cd /tmp; ${command(sees)}`)
  }

  /** login(1) on a terminal, as getty --autologin has it. */
  login(user: string): Caller {
    return (sees) =>
      this.box.run(['script', '-qec', `login -f ${user}`, '/dev/null'], { input: `${sees}\nexit\n` })
  }

  /** Debian's cron. What is to run @reboot runs when cron starts for the first time, so nobody waits for a minute to pass. */
  cron(user: string): Caller {
    return async (sees, begun) => {
      await this.box.write('/etc/cron.d/sees', `@reboot ${user} ${sees}\n`)
      await this.box.sh('rm -f /run/crond.reboot')
      const cron = this.box.spawn(['/usr/sbin/cron', '-f'])
      await begun()
      return this.box.end(cron)
    }
  }

  /** A job that is submitted from a user's shell, in /tmp. */
  at(shell: Shell): Caller {
    return async (sees, begun) => {
      const atd = await this.startAtd()
      const said = await shell.run(`cd /tmp; echo ${sees} | at now`)
      await begun()
      return [said, await this.box.end(atd)]
    }
  }

  async startAtd(): Promise<Running> {
    await this.box.sh('rm -f /run/atd.pid')
    const atd = this.box.spawn(['/usr/sbin/atd', '-f', '-l', '100', '-b', '0'])
    await this.#file('/run/atd.pid')
    const { hostPid } = await this.box.pidOf(atd)
    // at(1) wakes it by SIGHUP, which would end it before it catches that, and be lost before it sleeps.
    await this.until('atd to wait for jobs', () => {
      const status = readIfAny(`/proc/${hostPid}/status`)
      return /^State:\tS/m.test(status) && /^SigCgt:\t.*[13579bdf]$/m.test(status)
    })
    return atd
  }

  /** A PAM application that runs its command as the user, as cronie's crond and systemd do. */
  app(service: string, user: string, options: { tty?: string; env?: Record<string, string> } = {}): Caller {
    const as = `setpriv --reuid ${user} --regid ${user} --init-groups --`
    return (sees) => this.box.pamApp({ service, user, chdir: '/', ...options, command: `${as} ${sees}` })
  }

  async until(what: string, done: () => boolean): Promise<void> {
    for (let i = 0; i < 1000; i++) {
      if (done()) return
      await sleep(10)
    }
    throw new Error(`waited in vain for ${what}`)
  }

  /** The text of a file inside, once there is some. */
  async #file(path: string): Promise<string> {
    let text = ''
    await this.until(path, () => {
      text = readIfAny(this.#path(path))
      return text !== ''
    })
    return text
  }

  /** A path inside, as out here. No link on it may be absolute. */
  #path(path: string): string {
    return `/proc/${this.box.host.pid1}/root${path}`
  }
}

/** The name in the directory as that process sees it. */
export function whoseIs(directory: string, process: Process): string {
  return readIfAny(`/proc/${process.hostPid}/root${directory}/whose`).trim() || 'none'
}

function mountRoot(directory: string, mountinfo: readonly string[]): string {
  // ROOT MOUNTPOINT ...
  const topmost = mountinfo.filter((line) => line.split(' ')[1] === directory).at(-1)
  return topmost?.split(' ')[0] ?? ''
}

function readIfAny(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
