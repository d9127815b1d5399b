/* A shell at the other end of a real ssh login, that a test talks to while the session stays open. */
import { type Running, sleep, within } from '../support/run.js'
import type { Sandbox } from '../support/sandbox.js'

export class Shell {
  #marks = 0
  #read = 0

  private constructor(
    private readonly box: Sandbox,
    private readonly running: Running,
    /** Of the shell itself, in the sandbox. */
    readonly pid: number,
    /** sshd's process that opens and closes the session, as seen from outside. */
    private readonly monitor: number,
  ) {}

  /** @throws {Error} with what ssh said, when the login is refused */
  static async open(box: Sandbox, user: string): Promise<Shell> {
    const running = box.spawn(['ssh', `${user}@127.0.0.1`, 'echo "pid $$"; exec bash'], { input: 'pipe' })
    const [all, pid] = await running.waitFor(/^pid (\d+)\n/m)
    const shell = new Shell(box, running, Number(pid), monitorOf(box, Number(pid)))
    shell.#read = all.length
    return shell
  }

  /** What a command writes, stdout and stderr. */
  async run(command: string): Promise<string> {
    const mark = `mark-${++this.#marks}-of-the-test`
    this.running.child.stdin?.write(`{ ${command}\n} 2>&1 </dev/null; echo ${mark}\n`)
    await this.running.waitFor(new RegExp(mark))
    const text = this.running.stdout.slice(this.#read).replace(`${mark}\n`, '')
    this.#read = this.running.stdout.length
    return text
  }

  /** `mnt:[...]` */
  get mntNs(): string {
    return this.box.mntNs(this.pid)
  }

  /** Logs out, and waits until sshd has closed the session. */
  async close(): Promise<void> {
    this.running.child.stdin?.end()
    if (!(await within(30_000, this.running.exited))) throw new Error('the shell does not end')
    for (let i = 0; i < 1000; i++) {
      if (!this.box.processes().some((p) => p.hostPid === this.monitor)) return
      await sleep(10)
    }
    throw new Error('sshd does not end')
  }
}

/** The shell's parent is sshd's child, which has become the user; the parent of that is the monitor. */
function monitorOf(box: Sandbox, pid: number): number {
  const processes = box.processes()
  const child = processes.find((p) => p.pid === pid)?.hostPpid
  const monitor = processes.find((p) => p.hostPid === child)?.hostPpid
  if (monitor === undefined) throw new Error(`no sshd has process ${pid}`)
  return monitor
}
