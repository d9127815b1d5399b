// npm run bench: one pass over 5,000 processes, as reap and epilog make it, side by side with `pgrep -u`.
// In turns; of polyns the pass alone, of pgrep the whole program.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { bundle, enclose, printMachine, printTimes, sh, time } from './common.mjs'

const rounds = Number(process.env.ROUNDS ?? 15)
const PROCESSES = 5000
const UID = 60_001

enclose(import.meta.url)
sh('mount -t tmpfs bench /mnt')
writeFileSync('/mnt/scan.cjs', await bundle("export { scanProcesses } from './src/cleanup/processes.js'"))
const { scanProcesses } = createRequire(import.meta.url)('/mnt/scan.cjs')

const fork = `for (1 .. ${PROCESSES}) { fork or do { $< = $> = ${UID}; sleep 1000; exit } }`
const crowd = spawn('perl', ['-e', `$| = 1; ${fork} print "ready"; sleep 1000`], {
  stdio: ['ignore', 'pipe', 'inherit'],
})
await once(crowd.stdout, 'data')

const contestants = {
  'pgrep -u': () =>
    spawnSync('pgrep', ['-u', `${UID}`])
      .stdout.toString()
      .trim()
      .split('\n').length,
  'polyns, one pass': () => scanProcesses().pidsOf.get(UID)?.length,
}
const times = Object.fromEntries(Object.keys(contestants).map((name) => [name, []]))
const turns = Object.entries(contestants)
for (let i = -1; i < rounds; i++) {
  for (const [name, run] of turns) {
    const { ms, result } = time(run)
    if (result !== PROCESSES) throw new Error(`${name} found ${result} of ${PROCESSES}`)
    if (i >= 0) times[name].push(ms) // the first round warms up
  }
  turns.reverse()
}
printMachine(`${PROCESSES} processes, ${rounds} rounds in turn`)
printTimes(times, 'pgrep -u')
process.exit(0) // the crowd ends with this process, which is pid 1 here
