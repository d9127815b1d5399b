// What the number of processes costs each program: they are in the host's namespace, as most are.
import { addUsers, hold, installPolyns, report, sized } from '../inside.mjs'
import { Sleepers } from '../sessions.mjs'
import { programs, sweep } from '../sweep.mjs'

installPolyns()
const [builds, joins, job] = addUsers('bench', 3, 6000)
await Promise.all([hold(joins), hold('alice'), hold('bob')])
const sleepers = new Sleepers()
const points = await sweep({
  counts: sized([10, 100, 1000, 4000], [10, 1000]),
  bringTo: (count) => sleepers.add(count - sleepers.pids.length),
  commands: programs({ builds, joins, job }),
})
await sleepers.end()
report([
  {
    kind: 'growth',
    id: 'growth-processes',
    title: 'With the processes',
    x: 'processes',
    unit: 'ms of CPU',
    points,
  },
])
process.exit(0)
