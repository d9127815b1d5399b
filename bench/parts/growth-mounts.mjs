// What the number of mounts on the host costs each program, with three live sessions.
import { addUsers, hold, hostMounts, installPolyns, report, sized } from '../inside.mjs'
import { programs, sweep } from '../sweep.mjs'

installPolyns()
const [builds, joins, job] = addUsers('bench', 3, 6000)
await Promise.all([hold(joins), hold('alice'), hold('bob')])
const points = await sweep({
  counts: sized([10, 100, 1000, 4000], [10, 1000]),
  bringTo: hostMounts,
  commands: programs({ builds, joins, job }),
})
report([
  {
    kind: 'growth',
    id: 'growth-mounts',
    title: 'With the mounts on the host',
    x: 'mounts on the host',
    unit: 'ms of CPU',
    points,
  },
])
process.exit(0)
