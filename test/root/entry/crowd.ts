/*
 * Many PAM applications at once, inside a sandbox. Each is a shell that runs `polyns pam` as pam_exec would, waits for it, is
 * moved by it, and then stays until it is told to close its session. All are started first, and let go together.
 * Reads one line a command from stdin: `close`, or `end` to leave without. Prints a line of JSON after each step.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { readlinkSync, writeSync } from 'node:fs'
import { createInterface, type Interface } from 'node:readline'

export interface CrowdCall {
  /** One session each. */
  users: string[]
  /** How many are being opened at once. */
  lanes: number
  /** What the helper of the first one runs under; the others wait for a line of input before they begin. */
  first?: { under: string }
}

export interface Opened {
  user: string
  pid: number
  /** Exit status of `polyns pam`; null: the application was ended. */
  status: number | null
  /** Of the application, after that. */
  mntNs: string
  ms: number
}

export interface Ended {
  user: string
  status: number | null
}

const APPLICATION = `
read go
PAM_TYPE=open_session $UNDER /usr/sbin/polyns pam; status=$?
echo "$status"
read how || exit 0
[ "$how" = close ] || exit 0
PAM_TYPE=close_session /usr/sbin/polyns pam
echo "$?"`

/** The lines of a stream, asked for one at a time; null at its end. */
class Lines {
  readonly #lines: AsyncIterator<string>

  constructor(from: Interface) {
    this.#lines = from[Symbol.asyncIterator]()
  }

  async next(): Promise<string | null> {
    const { done, value } = await this.#lines.next()
    return done === true ? null : value
  }
}

interface Application {
  user: string
  process: ChildProcess
  lines: Lines
}

const { users, lanes, first }: CrowdCall = JSON.parse(process.argv[2] ?? '{}')
const say = (value: unknown) => writeSync(1, `${JSON.stringify(value)}\n`)

void main()

async function main(): Promise<void> {
  const commands = new Lines(createInterface({ input: process.stdin }))
  const all = users.map((user, i) => launch(user, i === 0 ? (first?.under ?? '') : ''))
  const opened: Opened[] = []
  if (first !== undefined) {
    const leading = inLanes(all.slice(0, 1), 1, open).then((one) => opened.push(...one))
    say({ first: all[0]?.process.pid })
    await commands.next()
    const following = inLanes(all.slice(1), lanes, open)
    say({ following: all.length - 1 })
    opened.push(...(await following))
    await leading
  } else opened.push(...(await inLanes(all, lanes, open)))
  say(opened)
  const how = (await commands.next()) ?? 'end'
  say(await inLanes(all, lanes, (one) => end(one, how)))
  process.exit(0)
}

function launch(user: string, under: string): Application {
  const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', PAM_SERVICE: 'crowd', PAM_USER: user, UNDER: under }
  const child = spawn('/bin/sh', ['-c', APPLICATION], { cwd: '/', env, stdio: ['pipe', 'pipe', 'inherit'] })
  child.stdin?.on('error', () => {}) // it has ended: no line comes from it
  if (child.stdout === null) throw new Error('no pipe')
  return { user, process: child, lines: new Lines(createInterface({ input: child.stdout })) }
}

async function open({ user, process: child, lines }: Application): Promise<Opened> {
  const start = performance.now()
  child.stdin?.write('go\n')
  const status = await lines.next()
  const ms = Math.round(performance.now() - start)
  const pid = child.pid ?? 0
  return { user, pid, status: status === null ? null : Number(status), mntNs: link(pid), ms }
}

async function end({ user, process: child, lines }: Application, how: string): Promise<Ended> {
  child.stdin?.end(`${how}\n`)
  const status = how === 'close' ? await lines.next() : null
  if (child.exitCode === null && child.signalCode === null)
    await new Promise((resolve) => child.once('exit', resolve))
  return { user, status: status === null ? null : Number(status) }
}

async function inLanes<T, R>(
  items: readonly T[],
  lanes: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = []
  let next = 0
  const lane = async () => {
    for (let i = next++; i < items.length; i = next++) results[i] = await work(items[i] as T)
  }
  await Promise.all(Array.from({ length: lanes }, lane))
  return results
}

function link(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/ns/mnt`)
  } catch {
    return ''
  }
}
