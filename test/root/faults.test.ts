/*
 * All or nothing, at every point: whatever kills the helper or fails in it, an application that may go on is in its private
 * namespace, and one that is refused is what it was.
 */
import t from 'tap'
import { installPolyns } from '../support/install.js'
import { needs } from '../support/needs.js'
import { Sandbox } from '../support/sandbox.js'
import { inLanes, type Outcome, type Point, record, tryFault } from './faults.js'

const skip = needs('root', 'layer', 'dist')
const USERS = ['alice', 'bob', 'carol']
const ERRNOS = ['EPERM', 'ENOMEM', 'ENOSPC', 'EINTR']

async function start(): Promise<[Sandbox, Point[]]> {
  const box = await Sandbox.start()
  await installPolyns(box)
  // Makes what the first session of all makes, then records one like those to come.
  for (const user of USERS) await record(box, user)
  return [box, await record(box, 'alice')]
}

type Kind =
  | 'complete'
  | 'refused, unchanged'
  | 'refused, ended'
  | 'refused, moved'
  | 'FAIL-OPEN'
  | 'HALF MOVED'

function kindOf(box: Sandbox, { status, mntNs, cwd, fds }: Outcome): Kind {
  if (status === null) return 'refused, ended'
  const isMoved = mntNs !== box.host.mntNs
  if (fds !== '0 1 2 3 ' || (isMoved && cwd !== '/')) return 'HALF MOVED'
  if (isMoved) return status === 0 ? 'complete' : 'refused, moved'
  return status === 0 ? 'FAIL-OPEN' : cwd === '/tmp/dir' ? 'refused, unchanged' : 'HALF MOVED'
}

/** One line for each run of points with one outcome: what was tried, for who reads the output. */
function table(rows: readonly [Point, string, Kind][]): string[] {
  const lines: string[] = []
  let from = 0
  for (const [i, [, , kind]] of rows.entries()) {
    if (rows[i + 1]?.[2] === kind) continue
    const run = rows.slice(from, i + 1)
    const name = (row: (typeof rows)[number] | undefined) => `${row?.[0].what} #${row?.[0].nth}`
    lines.push(`${kind.padEnd(20)} ${run.length} points: ${name(run[0])} to ${name(run.at(-1))}`)
    from = i + 1
  }
  return lines
}

t.test(
  'a helper that is killed never leaves a login in the host’s view',
  { skip, timeout: 120_000 },
  async (t) => {
    const [box, points] = await start()
    await using _box = box
    const rows: [Point, string, Kind][] = []
    await inLanes(USERS, points, async (point, user, i) => {
      const outcome = await tryFault(box, user, point, 'signal=KILL')
      rows[i] = [point, 'KILL', kindOf(box, outcome)]
      if (outcome.status !== null) t.equal(outcome.status, 137, `the helper was killed at ${point.what}`)
    })
    const good = {
      building: 'refused, unchanged',
      adopting: 'refused, ended',
      done: 'refused, moved', // into its namespace; who waits for a helper that was killed refuses the session
    }
    for (const [{ what, nth, phase }, , kind] of rows) t.equal(kind, good[phase], `killed at ${what} #${nth}`)
    for (const syscall of ['unshare', 'move_mount', 'rename', 'ptrace', 'exit_group']) {
      t.ok(
        points.some((point) => point.syscall === syscall),
        `${syscall} was among the points`,
      )
    }
    t.comment(table(rows).join('\n'))
    t.same(box.processes(), [], 'nothing is left stopped')
  },
)

t.test('a call that fails refuses the session, or does no harm', { skip, timeout: 120_000 }, async (t) => {
  const [box, points] = await start()
  await using _box = box
  const rows: [Point, string, Kind][] = []
  const left: string[] = []
  const fallible = points.filter(({ syscall }) => syscall !== 'exit_group')
  await inLanes(USERS, fallible, async (point, user, i) => {
    const errno = ERRNOS[i % ERRNOS.length] ?? 'EPERM'
    const outcome = await tryFault(box, user, point, `error=${errno}`)
    rows[i] = [point, errno, kindOf(box, outcome)]
    if (outcome.status !== 0 && outcome.records !== '0') left.push(`${point.what} #${point.nth}`)
  })
  for (const [{ what, nth, phase }, errno, kind] of rows) {
    const good = ['complete', 'refused, unchanged', ...(phase === 'adopting' ? ['refused, ended'] : [])]
    t.ok(good.includes(kind), `${errno} from ${what} #${nth}: ${kind}`)
  }
  t.same(left, [], 'a refused session leaves no record')
  t.comment(table(rows).join('\n'))
  t.equal(
    await box.sh('find /tmp/polyns-inst /dev/shm/polyns-inst -name ".polyns*"'),
    '',
    'nor a directory half made',
  )
  t.same(box.processes(), [])
})
