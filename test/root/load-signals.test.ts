/*
 * A helper that is sent a signal at some moment of an open or a close, as by an administrator or a limit: the login is refused
 * or complete, never half; and what a refused one has left goes with the next reap.
 */
import { readdirSync, readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { underClock } from '../support/clock.js'
import { remains } from '../support/crowd.js'
import { installPolyns, POLYNS } from '../support/install.js'
import { needs } from '../support/needs.js'
import { childrenOf, link, signal } from '../support/proc.js'
import { sleep, within } from '../support/run.js'
import { type Running, Sandbox } from '../support/sandbox.js'

const skip = needs('root', 'layer', 'dist')
const ROUNDS = process.env.FULL === undefined ? 40 : 100
const USERS = ['alice', 'bob', 'carol']
/** A helper takes longer beside two others than alone; and some are to be signalled when they are through. */
const LANES_SLOWER = 2.5
const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGXCPU'] as const

/** A shell that plays the application: it opens a session, and closes it, each when it is told to. */
const application = (
  user: string,
) => `mkdir -p /tmp/dir; cd /tmp/dir; export PAM_SERVICE=app PAM_USER=${user}; echo ready
read _; PAM_TYPE=open_session ${POLYNS} pam; echo "opened $?"
read _; PAM_TYPE=close_session ${POLYNS} pam; echo "closed $?"; read _`

type Step = 'opened' | 'closed'
const told = (step: Step) => new RegExp(`^${step} (\\d+)$`, 'm')
/** For what takes milliseconds, on a machine that does much else. */
const WAIT_MS = 60_000

class Application {
  private constructor(
    private readonly box: Sandbox,
    readonly running: Running,
    readonly hostPid: number,
  ) {}

  static async start(box: Sandbox, user: string): Promise<Application> {
    const running = box.spawn(['sh', '-c', application(user)], { input: 'pipe' })
    await running.waitFor(/^ready$/m, WAIT_MS)
    return new Application(box, running, (await box.pidOf(running)).hostPid)
  }

  /** Has it start its helper. @returns the helper; null: that has ended before this process, kept waiting, could see it */
  async begin(step: Step): Promise<number | null> {
    this.running.child.stdin?.write('\n')
    const until = performance.now() + WAIT_MS
    while (performance.now() < until) {
      const [helper] = childrenOf(this.hostPid)
      if (helper !== undefined) return helper
      if (this.#hasEnded || told(step).test(this.running.stdout)) return null
      await sleep(1)
    }
    throw this.#stuck('no helper')
  }

  /** What became of the helper, as the application knows it; null: it was ended itself. */
  async status(step: Step): Promise<number | null> {
    try {
      const [, status] = await this.running.waitFor(told(step), WAIT_MS)
      return Number(status)
    } catch {
      if (this.#hasEnded) return null
      throw this.#stuck(`not ${step}`)
    }
  }

  state(): { fds: string[]; cwd: string } {
    return { fds: readdirSync(`/proc/${this.hostPid}/fd`), cwd: link(`/proc/${this.hostPid}/cwd`) }
  }

  get mntNs(): string {
    return link(`/proc/${this.hostPid}/ns/mnt`)
  }

  async end(): Promise<void> {
    this.running.child.stdin?.end()
    if ((await within(WAIT_MS, this.running.exited)) === undefined) throw this.#stuck('not ended')
  }

  get #hasEnded(): boolean {
    const { exitCode, signalCode } = this.running.child
    return exitCode !== null || signalCode !== null
  }

  /** With who waits for what, for nobody can look later. */
  #stuck(what: string): Error {
    const all = this.box.processes().map(({ hostPid, pid, state, command }) => {
      const of = (file: string) => read(`/proc/${hostPid}/${file}`)
      const tracer = /^TracerPid:\s*(\d+)/m.exec(of('status'))?.[1]
      return `${pid} ${state} in ${of('wchan')}, system call ${of('syscall').trim()}, traced by ${tracer}: ${command}`
    })
    const { stdout, stderr } = this.running
    return new Error(`${what} within ${WAIT_MS} ms\n${stdout}${stderr}\n${all.join('\n')}`)
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? '?'
  }
}

async function machine(): Promise<Sandbox> {
  const box = await Sandbox.start()
  await installPolyns(box, '/tmp /tmp/inst/ user:noinit root\n/var/tmp /var/tmp/inst/ tmpdir:noinit root\n')
  return box
}

/** How long the helper takes when nobody sends it anything: signals come within that time. */
async function duration(box: Sandbox, step: 'open' | 'close'): Promise<number> {
  const app = await Application.start(box, 'alice')
  const start = performance.now()
  await app.begin('opened')
  await app.status('opened')
  const opened = performance.now()
  if (step === 'close') {
    await app.begin('closed')
    await app.status('closed')
  }
  const ms = performance.now() - (step === 'close' ? opened : start)
  await app.end()
  return ms
}

/** Nothing is left of all that, once it is old enough for nobody to be at work on it. */
async function sweep(t: Test, box: Sandbox): Promise<void> {
  const r = await underClock(box, { aheadMs: 3_600_000 }, ['reap', '--json'])
  t.match(r, { status: 0, stderr: /^$/ })
  t.match(JSON.parse(r.stdout), { left: [], complete: true })
  // A record that was being written goes by the next one of a helper of the same pid, or with the boot.
  const left = (await remains(box, ['/tmp/inst', '/var/tmp/inst'])).filter(
    (line) => !/sessions\/\.\d+$/.test(line),
  )
  t.same(left, [])
  t.same(box.processes(), [])
}

/** How often what happened, for who reads the output. */
function tell(t: Test, kinds: readonly string[]): void {
  const counts = new Map<string, number>()
  for (const kind of kinds) counts.set(kind, (counts.get(kind) ?? 0) + 1)
  t.comment([...counts].map(([kind, count]) => `${kind}: ${count}`).join('; '))
}

/** One lane for each user: of two sessions of one user the second would join the first. */
async function inLanes(work: (name: NodeJS.Signals, user: string) => Promise<void>): Promise<void> {
  let next = 0
  const lane = async (user: string) => {
    for (let i = next++; i < ROUNDS; i = next++) await work(SIGNALS[i % SIGNALS.length] ?? 'SIGTERM', user)
  }
  await Promise.all(USERS.map(lane))
}

t.setTimeout(1_200_000) // half a minute where nothing else runs

t.test(
  `${ROUNDS} helpers that are signalled while they open a session`,
  { skip, timeout: 600_000 },
  async (t) => {
    await using box = await machine()
    await duration(box, 'open')
    const limit = await duration(box, 'open')
    const kinds: string[] = []
    await inLanes(async (name, user) => {
      const app = await Application.start(box, user)
      const before = app.state()
      const helper = await app.begin('opened')
      await sleep(Math.random() * limit * LANES_SLOWER)
      if (helper !== null) signal(helper, name)
      const status = await app.status('opened')
      const isMoved = app.mntNs !== box.host.mntNs
      if (status === null) kinds.push('refused, ended')
      else if (status === 0) {
        t.ok(isMoved, `${name}: complete`)
        kinds.push('complete')
      } else {
        if (!isMoved) t.same(app.state(), before, `${name}: refused, unchanged`)
        kinds.push(isMoved ? 'refused, moved' : 'refused, unchanged')
      }
      await app.end()
    })
    tell(t, kinds)
    t.equal(kinds.length, ROUNDS)
    await sweep(t, box)
  },
)

t.test(`${ROUNDS} helpers that are signalled while they close one`, { skip, timeout: 600_000 }, async (t) => {
  await using box = await machine()
  await duration(box, 'close')
  const limit = await duration(box, 'close')
  const kinds: string[] = []
  await inLanes(async (name, user) => {
    const app = await Application.start(box, user)
    await app.begin('opened')
    t.equal(await app.status('opened'), 0)
    const own = app.mntNs
    const helper = await app.begin('closed')
    await sleep(Math.random() * limit * LANES_SLOWER)
    if (helper !== null) signal(helper, name)
    const status = await app.status('closed')
    t.equal(app.mntNs, own, `${name}: the application goes on where it is`)
    kinds.push(status === 0 ? 'complete' : `status ${status}`)
    await app.end()
  })
  tell(t, kinds)
  t.equal(kinds.length, ROUNDS)
  await sweep(t, box)
})
