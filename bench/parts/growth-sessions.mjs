// What the number of live sessions costs each program, each session of another user; and what it takes until a mount of the host
// is in all of them: by propagation, within mount(2), and by `polyns mount` where propagation misses.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { addUsers, installPolyns, POLYNS, report, sh, sized, timed } from '../inside.mjs'
import { openSessions, Sleepers } from '../sessions.mjs'
import { programs, sweep } from '../sweep.mjs'

const counts = sized([1, 10, 100, 1000, 2000], [1, 100, 1000])
const rounds = 3

installPolyns()
sh(
  'mkdir -p /srv/shared /srv/missed/data && mount -t tmpfs bench /srv/missed && mount --make-private /srv/missed && mkdir /srv/missed/data',
)
const users = addUsers('many', counts.at(-1), 20_000)
const [builds, job] = addUsers('bench', 2, 6000)
const sleepers = new Sleepers()
const libc = createRequire('/opt/polyns/bench/')('koffi').load(null)
const mount = libc.func('int mount(const char *, const char *, const char *, unsigned long, const char *)')
const umount = libc.func('int umount2(const char *, int)')

const live = ['mount(2), propagated', 'umount(2), propagated', 'polyns mount', 'polyns umount']

const points = await sweep({
  counts,
  bringTo: async (count) => {
    const at = sleepers.pids.length
    await openSessions(users.slice(at, count), await sleepers.add(count - at))
  },
  commands: programs({ builds, joins: users[0], job }),
  besides: arrivals,
})
const pick = (is) => Object.fromEntries(Object.entries(points).filter(([name]) => is(name)))
await sleepers.end()
report([
  {
    kind: 'growth',
    id: 'growth-sessions',
    title: 'With the live sessions',
    x: 'live sessions',
    unit: 'ms of CPU',
    points: pick((name) => !live.includes(name)),
  },
  {
    kind: 'growth',
    id: 'live',
    title: 'One mount of the host, until it is in every live session',
    x: 'live sessions',
    unit: 'ms',
    points: pick((name) => live.includes(name)),
  },
])
process.exit(0)

function arrivals() {
  const times = Object.fromEntries(live.map((name) => [name, []]))
  for (let i = 0; i < rounds; i++) {
    times[live[0]].push(timed(() => must(mount('bench', '/srv/shared', 'tmpfs', 0, 'size=64k'))).ms)
    expect('/srv/shared', true)
    times[live[1]].push(timed(() => must(umount('/srv/shared', 0))).ms)
    expect('/srv/shared', false)
    must(mount('bench', '/srv/missed/data', 'tmpfs', 0, 'size=64k'))
    expect('/srv/missed/data', false)
    times[live[2]].push(timed(() => run('mount', '/srv/missed/data')).ms)
    expect('/srv/missed/data', true)
    times[live[3]].push(timed(() => run('umount', '/srv/missed/data')).ms)
    expect('/srv/missed/data', false)
    must(umount('/srv/missed/data', 0))
  }
  return times
}

function must(result) {
  if (result !== 0) throw new Error('a mount failed')
}

function run(...args) {
  const { status, stderr } = spawnSync(POLYNS, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`polyns ${args.join(' ')} gave status ${status}: ${stderr}`)
}

/** Whether the first and the last session have it. */
function expect(path, isThere) {
  for (const pid of [sleepers.pids[0], sleepers.pids.at(-1)]) {
    if (readFileSync(`/proc/${pid}/mountinfo`, 'utf8').includes(` ${path} `) !== isThere)
      throw new Error(`${path} is ${isThere ? 'not ' : ''}in the session of process ${pid}`)
  }
}
