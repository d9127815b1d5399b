// What the number of private directories of users who have gone costs each program, beside 100 live sessions; and reap when all of
// them are to go.
import { mkdirSync, readdirSync } from 'node:fs'
import { InTurn } from '../in-turn.mjs'
import { addUsers, installPolyns, POLYNS, report, sized } from '../inside.mjs'
import { openSessions, Sleepers } from '../sessions.mjs'
import { programs, sweep } from '../sweep.mjs'

const counts = sized([10, 100, 1000, 4000], [10, 100, 1000])
const LIVE = 100
const REFILL = '/run/bench-refill'

installPolyns()
const gone = addUsers('gone', counts.at(-1), 20_000)
const [builds, joins, job, ...others] = addUsers('bench', LIVE + 2, 6000)
const sleepers = new Sleepers()
await openSessions([joins, ...others], await sleepers.add(LIVE))
const commands = programs({ builds, joins, job })
delete commands['setup, again']
const points = await sweep({ counts, bringTo, commands, besides: reaps })
await sleepers.end()
report([
  {
    kind: 'growth',
    id: 'growth-instances',
    title: 'With the private directories of users who have gone',
    x: 'private directories',
    unit: 'ms of CPU',
    points,
  },
])
process.exit(0)

function bringTo(count) {
  for (const user of gone.slice(0, count)) {
    for (const parent of ['/tmp/polyns-inst', REFILL]) mkdirSync(`${parent}/${user}`, { recursive: true })
  }
}

function reaps(count) {
  const prepare = `cp -r ${REFILL}/. /tmp/polyns-inst/`
  const turn = new InTurn({ 'reap, all go': { prepare, command: `${POLYNS} reap` } })
  for (let i = 0; i < 3; i++) turn.round()
  const left = readdirSync('/tmp/polyns-inst').filter((name) => gone.includes(name))
  if (left.length > 0) throw new Error(`${left.length} of ${count} are left`)
  bringTo(count)
  return turn.cpu
}
