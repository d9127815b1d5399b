// One pass over 5,000 processes, as reap and epilog make it, side by side with `pgrep -u`: of polyns the pass alone, of pgrep the
// whole program. By the clock of this process: a pass is no program that hyperfine could start.
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { report, sized, timed } from '../inside.mjs'
import { bundle, Sleepers } from '../sessions.mjs'

const PROCESSES = sized(5000, 500)
const rounds = sized(15, 3)
const UID = 60_001

const path = await bundle("export { scanProcesses } from './src/cleanup/processes.js'", '/run/scan.cjs')
const { scanProcesses } = createRequire(import.meta.url)(path)
const crowd = new Sleepers()
await crowd.add(PROCESSES, UID)
while (pgrep() < PROCESSES) await new Promise((resolve) => setTimeout(resolve, 50)) // they become that user's one by one

const contestants = { 'pgrep -u': pgrep, 'polyns, one pass': () => scanProcesses().pidsOf.get(UID)?.length }
const times = Object.fromEntries(Object.keys(contestants).map((name) => [name, []]))
const turns = Object.entries(contestants)
for (let i = -1; i < rounds; i++) {
  for (const [name, run] of turns) {
    const { ms, result } = timed(run)
    if (result !== PROCESSES) throw new Error(`${name} found ${result} of ${PROCESSES}`)
    if (i >= 0) times[name].push(ms) // the first round warms up
  }
  turns.reverse()
}
await crowd.end()
report([
  {
    kind: 'turns',
    id: 'alive',
    title: `Who is there, among ${PROCESSES.toLocaleString('en')} processes`,
    unit: 'ms',
    base: 'pgrep -u',
    times,
  },
])

function pgrep() {
  return spawnSync('pgrep', ['-u', `${UID}`])
    .stdout.toString()
    .trim()
    .split('\n').length
}
