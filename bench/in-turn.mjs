// Commands that are measured side by side: rounds of one run each, so that a machine that gets slower does so for all of them.
// hyperfine takes the times. By itself it would run the first command to the end and then the second.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

const RESULT = '/run/bench.json'

export class InTurn {
  /** Name to milliseconds, one for each round; and to those of the processors, user and system. */
  times = {}
  cpu = {}
  #order

  /** @param commands name to a command line, which no shell reads, or to that and what is run before it, unmeasured */
  constructor(commands) {
    this.#order = Object.entries(commands).map(([name, what]) => {
      return { name, ...(typeof what === 'string' ? { command: what, prepare: 'true' } : what) }
    })
    for (const { name } of this.#order) {
      this.times[name] = []
      this.cpu[name] = []
    }
  }

  /** Everything once; the next time the other way round. */
  round() {
    this.#run((name, { times, user, system }) => {
      this.times[name].push(times[0] * 1000)
      this.cpu[name].push((user + system) * 1000)
    })
    this.#order.reverse()
  }

  /** Everything once, unmeasured. */
  warmUp() {
    this.#run(() => {})
  }

  #run(keep) {
    const options = ['-N', '--style', 'none', '--runs', '1', '--export-json', RESULT]
    const prepares = this.#order.some(({ prepare }) => prepare !== 'true')
    const commands = this.#order.flatMap(({ name, command, prepare }) => [
      ...(prepares ? ['--prepare', prepare] : []),
      '--command-name',
      name,
      command,
    ])
    const { status, stderr } = spawnSync('hyperfine', [...options, ...commands], { encoding: 'utf8' })
    if (status !== 0) throw new Error(`hyperfine gave status ${status}: ${stderr}`)
    for (const result of JSON.parse(readFileSync(RESULT, 'utf8')).results) keep(result.command, result)
  }
}
