/*
 * All or nothing, at every call: whichever call of the program fails, or kills it, a login is complete or refused, an
 * application that was refused is what it was, and what a killed helper leaves the next run clears away.
 * FAULTS=all tries every one; a number is the seed of the choice.
 */
import t from 'tap'
import { installPolyns, POLYNS } from '../support/install.js'
import { needs } from '../support/needs.js'
import { Sandbox } from '../support/sandbox.js'
import {
  COMMANDS,
  isSession,
  judge,
  type Kind,
  type Operation,
  SESSIONS,
  type Told,
  type Verdict,
} from './faults-judge.js'
import {
  allPoints,
  callsIn,
  optionsFor,
  type Point,
  RECORD,
  randomFrom,
  somePoints,
} from './faults-points.js'

const skip = needs('root', 'layer', 'dist')
const LANES = 3
const isAll = process.env.FAULTS === 'all'
const seed = Number(process.env.FAULTS) || 20_778
t.setTimeout(isAll ? 3_600_000 : 900_000)
const OPERATIONS: readonly Operation[] = [...SESSIONS, ...COMMANDS]
/** How many faults of each are tried at least, in a run that does not try all. */
const COUNT = { built: 300, joined: 150, close: 100, setup: 60, undo: 40, epilog: 60, reap: 60 }

// Something of everything; alice has directories of the session's own, bob's sessions can be joined. The last of them stands in a
// file of its own; all are known to be good, so that neither file can be said to be gone and the session be the host's.
const CONFIG = `/tmp /tmp/inst/ user:noinit:keep=.X11-unix:carry=krb5cc_* root
/dev/shm /dev/shm/inst/ user:noinit root
/var/tmp tmpfs tmpfs ~alice
/mnt /var/mnt-inst/ user:noinit:scope=session ~alice
`
const DROP_IN = '/srv /var/srv-inst/ tmpdir:noinit ~alice\n'

async function machine(): Promise<Sandbox> {
  const box = await Sandbox.start()
  await installPolyns(box, CONFIG)
  await box.write('/etc/polyns/namespace.d/50-own.conf', DROP_IN)
  return box
}

interface Job {
  operation: Operation
  /** null: a run without a fault. */
  point: Point | null
  options: string
}

/** Runs faults.pl on these, in this order. @returns what it tells of each */
async function tell(box: Sandbox, jobs: readonly Job[]): Promise<Told[]> {
  const input = jobs.map(({ operation, options }, id) => `${id}\t${operation}\t${options}\n`).join('')
  await box.sh(`${POLYNS} check`) // an undo forgets it
  const perl = ['perl', '/opt/polyns/test/root/faults.pl']
  const out = await box.sh(perl, { input, timeoutMs: jobs.length * 3000 + 60_000 })
  return out
    .trimEnd()
    .split('\n')
    .map((line) =>
      Object.fromEntries(
        line
          .split('\t')
          .slice(1)
          .map((field) => field.split(/=(.*)/s)),
      ),
    )
}

const clean = (operation: Operation, options = ''): Job => ({ operation, point: null, options })

async function pointsOf(box: Sandbox, operation: Operation): Promise<Point[]> {
  // The second one: the first makes what the first of all makes.
  await tell(box, [clean(operation), clean(operation, RECORD)])
  const calls = callsIn(await box.read('/run/faults.log'))
  const random = randomFrom(seed)
  return isAll
    ? allPoints(calls, random)
    : somePoints(calls, random, { count: COUNT[operation], both: isSession(operation) })
}

/** Two columns for what was tried, then one for each kind. */
function table(rows: readonly [Operation, Point, Verdict][]): string {
  const kinds: Kind[] = ['complete', 'refused', 'refused after', 'ended with it', 'not reached', 'HALF']
  const line = (cells: readonly (string | number)[]) =>
    cells.map((cell) => String(cell).padStart(14)).join('')
  const of = (operation: Operation) => rows.filter(([its]) => its === operation)
  const count = (some: typeof rows, kind: Kind) =>
    some.filter(([, , verdict]) => verdict.kind === kind).length
  const lines = [
    ...OPERATIONS.map((operation) => [operation, of(operation)] as const),
    ['all', rows] as const,
  ]
  return [
    line(['', 'an errno', 'a kill', ...kinds]),
    ...lines.map(([name, some]) => {
      const kills = some.filter(([, { fault }]) => fault === 'KILL').length
      return line([name, some.length - kills, kills, ...kinds.map((kind) => count(some, kind))])
    }),
  ].join('\n')
}

t.test('a fault at any call', { skip }, async (t) => {
  const boxes = await Promise.all(Array.from({ length: LANES }, machine))
  await using _all = {
    [Symbol.asyncDispose]: async () => void (await Promise.all(boxes.map((box) => box.stop()))),
  }
  const [first] = boxes
  if (first === undefined) throw new Error('no machine')
  const points: [Operation, Point][] = []
  for (const operation of OPERATIONS)
    points.push(...(await pointsOf(first, operation)).map((p) => [operation, p] as [Operation, Point]))

  const rows: [Operation, Point, Verdict][] = []
  await Promise.all(
    boxes.map(async (box, lane) => {
      const own = points.filter((_, i) => i % LANES === lane)
      const jobs = OPERATIONS.flatMap((operation) => [
        clean(operation),
        ...own
          .filter(([its]) => its === operation)
          .map(([, point]) => ({ operation, point, options: optionsFor(point) })),
      ])
      const told = await tell(box, jobs)
      t.equal(told.length, jobs.length, 'all of them were tried')
      for (const [i, { operation, point }] of jobs.entries()) {
        if (point !== null) rows.push([operation, point, judge(operation, point, told[i] ?? {})])
      }
    }),
  )
  // On a busy machine strace's own log may come late, or a time limit be over; what is wrong with polyns is so again.
  for (const row of rows) {
    const [operation, point, { wrong }] = row
    if (wrong.length === 0) continue
    const again = await tell(first, [clean(operation), { operation, point, options: optionsFor(point) }])
    row[2] = judge(operation, point, again[1] ?? {})
    t.comment(`tried again: ${operation}: ${point.fault} at #${point.nth} ${point.site}: ${wrong.join('; ')}`)
  }
  for (const [operation, { site, nth, fault }, { wrong }] of rows) {
    if (wrong.length > 0) t.fail(`${operation}: ${fault} at #${nth} ${site}: ${wrong.join('; ')}`)
  }
  t.equal(rows.filter(([, , { kind }]) => kind === 'HALF').length, 0, 'nothing is half done')
  for (const syscall of ['unshare', 'move_mount', 'rename', 'ptrace', 'exit_group', 'umount2', 'unlinkat']) {
    t.ok(
      points.some(([, point]) => point.syscall === syscall),
      `${syscall} was among them`,
    )
  }
  t.comment(`seed ${seed}${isAll ? ', all' : ''}\n${table(rows)}`)
})
