// What the measured figures come to on large sites: arithmetic, no measurement. The assumptions are in the rows. Pure.
import { figure } from './plot.mjs'
import { table } from './report.mjs'
import { growth, median } from './stats.mjs'

const NODES = 10_000
const USERS = 500
const STEPS_A_SECOND = 100

/** @param results of one run @returns lines of markdown */
export function onPaper(results) {
  const of = (id) => {
    const found = results.find((result) => result.id === id)
    if (found === undefined) throw new Error(`nothing was measured as ${id}`)
    return found
  }
  const open = of('open-0')
  const cpu = (name) => median(open.cpu[name]) - median(open.cpu['no module'])
  const wall = (name) => median(open.times[name]) - median(open.times['no module'])
  const [build, join] = ['polyns, building', 'polyns, joining']
  const kernel = Object.values(of('memory-kernel').times).reduce((sum, values) => sum + median(values), 0)
  const rss = median(of('memory').times['the single executable: all'])
  const private_ = median(
    of('memory').times['the single executable: not of files, which all processes share'],
  )
  const atSessions = (name, count) => at(of('growth-sessions').points[name] ?? of('live').points[name], count)
  const atOnce = of('ssh-at-once')
  const logins = Number(/^\d+/.exec(atOnce.title)?.[0])

  const rows = [
    [
      'A login and its end take longer by',
      'a session opened and closed, building, less the same with no module',
      `${figure(wall(build))} ms`,
    ],
    [
      `${USERS} users on a login node: memory of the kernel for their namespaces`,
      `${USERS} × ${figure(kernel)} KB`,
      `${figure((USERS * kernel) / 1024)} MB`,
    ],
    ['... and of polyns itself while they work', 'no process of it stays', '0'],
    [
      `... all of them log in within a minute: processors' time for polyns`,
      `${USERS} × ${figure(cpu(build))} ms`,
      `${figure((USERS * cpu(build)) / 1000)} s`,
    ],
    [
      `... ${logins} at the same moment: until the last is in`,
      'as measured, on the processors of this machine',
      `${figure(median(atOnce.times.polyns) / 1000)} s (with pam_namespace ${figure(median(atOnce.times.pam_namespace) / 1000)} s)`,
    ],
    [
      `... ${logins} at the same moment: memory of their helpers`,
      `${logins} × ${figure(private_)} MB, and once the ${figure(rss - private_)} MB that are files`,
      `${figure(logins * private_ + rss - private_)} MB`,
    ],
    [
      '... a mount of the host reaches all of them',
      'by propagation, from the line through the points',
      `${figure(atSessions('mount(2), propagated', USERS))} ms`,
    ],
    [
      '... polyns mount reaches all of them, where propagation misses',
      'the same',
      `${figure(atSessions('polyns mount', USERS))} ms`,
    ],
    [
      '... one run of reap, list, doctor',
      'the same',
      ['reap', 'list', 'doctor'].map((name) => `${figure(atSessions(name, USERS))} ms`).join(', '),
    ],
    [
      `${STEPS_A_SECOND} job steps a second on one node, each with a session: processors kept busy`,
      `${STEPS_A_SECOND} × ${figure(cpu(join))} ms, joining`,
      figure((STEPS_A_SECOND * cpu(join)) / 1000),
    ],
    [
      '... each in a namespace of its own',
      `${STEPS_A_SECOND} × ${figure(cpu(build))} ms, building`,
      figure((STEPS_A_SECOND * cpu(build)) / 1000),
    ],
    [
      `... spread over ${NODES.toLocaleString('en')} nodes: of a processor of each`,
      `the same, divided by ${NODES.toLocaleString('en')}`,
      `${((STEPS_A_SECOND * cpu(join)) / 10 / NODES).toFixed(4)} %`,
    ],
    [
      `One job starts on ${NODES.toLocaleString('en')} nodes: later by`,
      'one opening; nothing is shared between nodes, so nobody waits for another',
      `${figure(median(of('helper').times['polyns pam, building']))} ms`,
    ],
    [
      `... processors' time on all of them together`,
      `${NODES.toLocaleString('en')} × ${figure(cpu(build))} ms`,
      `${figure((NODES * cpu(build)) / 60_000)} min`,
    ],
  ]
  return [
    '## On paper',
    '',
    'Calculated from the medians above, not measured. Assumed: processors like those of this machine; as many mounts on the host as',
    'in the sandbox; users who each have one namespace, since their sessions share it.',
    '',
    table(['', 'from', 'comes to'], rows),
    '',
  ]
}

/** On the straight line through the points around `count`. */
function at(points, count) {
  const sorted = points.map(([n, values]) => [n, median(values)]).sort(([a], [b]) => a - b)
  const above = sorted.findIndex(([n]) => n >= count)
  const [low, high] = above <= 0 ? sorted.slice(-2) : [sorted[above - 1], sorted[above]]
  if (high === undefined) return low[1]
  return low[1] + growth([low, high]).each * (count - low[0])
}
