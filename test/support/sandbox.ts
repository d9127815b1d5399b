/*
 * A throw-away machine: a copy of this one's root directory with the package layer, in mount, pid, net, uts and ipc
 * namespaces of its own, with the users alice (5001), bob (5002) and carol (5003, also in group staff). Nothing done in it
 * reaches the machine, and all of it ends with this process, even by SIGKILL: its pid 1 (sandbox.sh) waits for that.
 *
 *   await using box = await Sandbox.start()
 *   await box.startSshd({ pamLines: ['session required pam_exec.so quiet seteuid /usr/sbin/polyns pam'] })
 *   t.equal((await box.ssh('alice', 'ls /tmp')).stdout, '')
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { type Command, enter, PATH, type RunOptions } from './enter.js'
import { layer } from './layer.js'
import * as logins from './logins.js'
import * as pamapp from './pamapp.js'
import {
  childrenOf,
  innerPid,
  killTree,
  link,
  mountLines,
  type Process,
  processesOf,
  signal,
} from './proc.js'
import { pairs, type Result, type Running, show, sleep, start, within } from './run.js'

export type { Command, RunOptions } from './enter.js'
export type { Process } from './proc.js'
export type { Result, Running } from './run.js'

export interface StartOptions {
  /** The host name. */
  name?: string
  /** How much can be written to its root, without it 512. */
  sizeMb?: number
  /** Shell text for sandbox.sh, to run before pivot_root; `$R` is the new root. */
  beforePivot?: string
  /** Whether `stop` fails when processes that no `spawn` started are still there. Without it 'fail'. */
  leftovers?: 'fail' | 'ignore'
}

export interface Snapshot {
  mounts: string[]
  processes: string[]
  /** Everything below /run/polyns but the tally, which every login adds to: type, mode, owner, path. */
  runPolyns: string[]
}

const checkout = fileURLToPath(new URL('../..', import.meta.url))

export class Sandbox {
  readonly #spawned: Running[] = []
  #stopped: Promise<void> | undefined
  #marks = 0

  private constructor(
    private readonly outer: ChildProcess,
    private readonly control: Socket,
    /** Facts as seen from outside: the pid of its pid 1, and that one's mount namespace. */
    readonly host: { readonly pid1: number; readonly mntNs: string },
    private readonly logListener: number,
    private readonly leftovers: 'fail' | 'ignore',
  ) {}

  /** @throws {Error} with what the script said, when it cannot be made */
  static async start(options: StartOptions = {}): Promise<Sandbox> {
    const found = layer()
    if ('reason' in found) throw new Error(`no package layer: ${found.reason}`)
    const { name = 'box', sizeMb = 512, beforePivot = '' } = options
    const script = fileURLToPath(new URL('sandbox.sh', import.meta.url))
    const namespaces = '--mount --pid --net --uts --ipc --fork --kill-child=KILL --propagation private'
    const unshare = ['unshare', ...namespaces.split(' '), '--']
    const what = [script, name, `${sizeMb}`, checkout, process.execPath, beforePivot]
    const env = pairs({ PATH, LANG: 'C.UTF-8', ...found.env })
    const outer = spawn('env', ['-i', ...env, ...unshare, ...what], {
      cwd: '/',
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
    })
    const control = outer.stdio[3] as Socket
    control.on('error', () => {}) // it has ended: 'exit' tells
    let errors = ''
    outer.stderr?.setEncoding('utf8').on('data', (text: string) => {
      errors += text
    })
    const exited = once(outer, 'exit')
    const ready = once(control, 'data').then(([data]) => String(data))
    const line = await within(60_000, Promise.race([ready, exited.then(() => '')]))
    const [, pid1, logListener] = /^ready (\d+) (\d+)\n$/.exec(line ?? '') ?? []
    if (pid1 === undefined) {
      control.destroy()
      outer.kill('SIGKILL')
      throw new Error(`the sandbox did not start: ${errors.trim() || 'no message'}`)
    }
    // A test that throws without `stop` must not hang. When this process ends, so does the sandbox.
    outer.unref()
    control.unref()
    ;(outer.stderr as Socket | null)?.unref()
    const host = { pid1: Number(pid1), mntNs: link(`/proc/${pid1}/ns/mnt`) }
    return new Sandbox(outer, control, host, Number(logListener), options.leftovers ?? 'fail')
  }

  /** Runs a command to its end. Never throws for what the command did: look at the result. */
  async run(command: Command, options: RunOptions = {}): Promise<Result> {
    const { argv, env } = enter(this.host.pid1, command, options)
    return start(argv, { env, input: options.input, timeoutMs: options.timeoutMs ?? 30_000 }).exited
  }

  /** Like `run`, for what must succeed: gives stdout. @throws {Error} with both outputs */
  async sh(command: Command, options: RunOptions = {}): Promise<string> {
    const r = await this.run(command, options)
    if (r.status === 0) return r.stdout
    const how = r.timedOut
      ? 'ran out of time'
      : r.signal
        ? `was ended by ${r.signal}`
        : `gave status ${r.status}`
    throw new Error(
      `a command ${how}\n${show(typeof command === 'string' ? [command] : command, r.stdout, r.stderr)}`,
    )
  }

  /** Starts a command that goes on until `stop` (SIGTERM, then SIGKILL with all below it), or ends by itself. */
  spawn(command: Command, options: RunOptions = {}): Running {
    const { argv, env } = enter(this.host.pid1, command, options)
    const running = start(argv, { env, input: options.input, timeoutMs: options.timeoutMs })
    this.#spawned.push(running)
    return running
  }

  /** The pid inside, and out here, of a command that `spawn` started. */
  async pidOf(running: Running): Promise<{ pid: number; hostPid: number }> {
    for (let i = 0; i < 500 && !hasEnded(running.child); i++) {
      // nsenter forks, because only a child is in the new pid namespace.
      const hostPid = running.child.pid && childrenOf(running.child.pid)[0]
      const pid = hostPid && innerPid(hostPid)
      if (pid) return { pid, hostPid }
      await sleep(10)
    }
    throw new Error(`has no process: ${running.stderr}`)
  }

  /** Sends a signal to the command itself, and waits for its end. */
  async end(running: Running, name: NodeJS.Signals = 'SIGTERM'): Promise<Result> {
    if (!hasEnded(running.child)) {
      const { hostPid } = await this.pidOf(running).catch(() => ({ hostPid: 0 }))
      if (hostPid !== 0) signal(hostPid, name)
      const ended = await within(3000, running.exited)
      if (!ended && running.child.pid) killTree(running.child.pid)
    }
    return running.exited
  }

  /** Makes or replaces a file; missing directories too. */
  async write(path: string, text: string, mode = 0o644): Promise<void> {
    const make = 'mkdir -p "$(dirname "$1")" && rm -f "$1" && umask 077 && cat >"$1" && chmod "$2" "$1"'
    await this.sh(['bash', '-c', make, 'write', path, mode.toString(8)], { input: text })
  }

  async read(path: string): Promise<string> {
    return this.sh(['cat', path])
  }

  /** Makes the PAM stack of a service. `logins.plainStack(...)` has the lines of a stack without surprises. */
  async pam(service: string, lines: readonly string[]): Promise<void> {
    await this.write(`/etc/pam.d/${service}`, `${lines.join('\n')}\n`)
  }

  /** Real sshd on 127.0.0.1:22 whose PAM stack has `pamLines` as its session part, after pam_unix. */
  startSshd(options: logins.SshdOptions = {}): Promise<Running> {
    return logins.startSshd(this, options)
  }

  /** `ssh USER@127.0.0.1 COMMAND`, from inside, with a key. When it is back, sshd has closed the session. */
  ssh(user: string, command: string, options: RunOptions = {}): Promise<Result> {
    return logins.untilClosed(this, this.run(['ssh', `${user}@127.0.0.1`, command], options))
  }

  /** `scp FROM TO`, where one is like `alice@127.0.0.1:/tmp/x`. */
  scp(from: string, to: string, options: RunOptions = {}): Promise<Result> {
    return logins.untilClosed(this, this.run(['scp', '-q', from, to], options))
  }

  /** `sftp`, with its commands on stdin. */
  sftp(user: string, commands: readonly string[], options: RunOptions = {}): Promise<Result> {
    const input = `${commands.join('\n')}\n`
    const client = ['sftp', '-q', '-b', '-', `${user}@127.0.0.1`]
    return logins.untilClosed(this, this.run(client, { ...options, input }))
  }

  /** A session opened and closed by a PAM application made for it; see pamapp.ts. */
  pamApp(options: pamapp.Options, run: RunOptions = {}): Promise<pamapp.Report> {
    return pamapp.run(this, options, run)
  }

  /** The same, but the session stays open until `close` is called. */
  pamHold(options: pamapp.Options, run: RunOptions = {}): Promise<pamapp.Held> {
    return pamapp.hold(this, options, run)
  }

  /** The mount table of a process (a pid inside; without it pid 1), see `mountLines`. */
  mountinfo(pid = 1): string[] {
    return mountLines(this.#hostPid(pid))
  }

  /** `mnt:[...]` of a process (a pid inside). */
  mntNs(pid = 1): string {
    return link(`/proc/${this.#hostPid(pid)}/ns/mnt`)
  }

  /** Everything that runs in here, but for pid 1 and the listener of the system log. */
  processes(): Process[] {
    return processesOf(this.host.pid1).filter((p) => p.hostPid !== this.host.pid1 && !this.#isLogListener(p))
  }

  /** What has been sent to the system log until now, oldest first: `authpriv.info sshd[12]: ...`. */
  async syslog(): Promise<string[]> {
    // Datagrams arrive in order: when our own mark is in the file, so is all that came before it.
    const mark = `the test reads up to here: ${++this.#marks}`
    await this.sh(['logger', '-p', 'local7.debug', '-t', 'mark', mark])
    for (let i = 0; i < 500; i++) {
      const lines = (await this.read('/run/syslog')).trimEnd().split('\n')
      if (lines.some((l) => l.endsWith(mark)))
        return lines.filter((l) => !l.includes(' mark: the test reads up to here'))
      await sleep(10)
    }
    throw new Error('the system log does not answer')
  }

  /** What polyns must leave as it was: compare two of these with `t.same`. */
  async snapshot(): Promise<Snapshot> {
    const find = 'test ! -e /run/polyns || find /run/polyns ! -name tally -printf "%y %m %U:%G %P\\n" | sort'
    const runPolyns = (await this.sh(find)).split('\n').filter((l) => l !== '')
    const processes = this.processes().map((p) => `${p.pid} ${p.uid} ${p.state} ${p.command}`)
    return { mounts: this.mountinfo(), processes, runPolyns }
  }

  /**
   * Ends what `spawn` started, then the sandbox.
   * @throws {Error} naming processes that were left behind in it, unless started with `leftovers: 'ignore'`
   */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  async #stop(): Promise<void> {
    await Promise.all(this.#spawned.map((r) => this.end(r)))
    let left = this.processes()
    // A session that the client has ended takes sshd a moment to end too.
    for (let i = 0; left.length > 0 && i < 100 && this.leftovers === 'fail'; i++) {
      await sleep(20)
      left = this.processes()
    }
    const exited = hasEnded(this.outer) ? Promise.resolve([]) : once(this.outer, 'exit')
    this.control.destroy()
    if (!(await within(10_000, exited))) this.outer.kill('SIGKILL') // --kill-child takes pid 1 along
    if (left.length > 0 && this.leftovers === 'fail') {
      throw new Error(
        `left running in the sandbox:\n${left.map((p) => `${p.pid} ${p.state} ${p.command}`).join('\n')}`,
      )
    }
  }

  #hostPid(pid: number): number {
    if (pid === 1) return this.host.pid1
    const found = processesOf(this.host.pid1).find((p) => p.pid === pid)
    if (!found) throw new Error(`no process ${pid} in the sandbox`)
    return found.hostPid
  }

  #isLogListener(p: Process): boolean {
    return (
      p.pid === this.logListener && innerPid(p.hostPid) === this.logListener && p.hostPpid === this.host.pid1
    )
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}
