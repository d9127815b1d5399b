/* An ssh login into the guest that stays open and is talked to through its shell. */
import { type Running, within } from '../support/run.js'
import type { Sandbox } from '../support/sandbox.js'

export class Held {
  #marks = 0
  #read = 0

  private constructor(private readonly running: Running) {}

  /** @throws {Error} with what ssh said, when the login is refused */
  static async open(box: Sandbox, user: string): Promise<Held> {
    const held = new Held(box.spawn(['ssh', `${user}@vm`, 'exec bash'], { input: 'pipe' }))
    await held.run('true')
    return held
  }

  /** What a command writes, stdout and stderr. */
  async run(command: string): Promise<string> {
    const mark = `mark-${++this.#marks}-of-the-test`
    this.running.child.stdin?.write(`{ ${command}\n} 2>&1 </dev/null; echo ${mark}\n`)
    await this.running.waitFor(new RegExp(mark), 300_000)
    const text = this.running.stdout.slice(this.#read).replace(`${mark}\n`, '')
    this.#read = this.running.stdout.length
    return text
  }

  /** Logs out. */
  async close(): Promise<void> {
    this.running.child.stdin?.end()
    if (!(await within(60_000, this.running.exited))) throw new Error('the login does not end')
  }
}
