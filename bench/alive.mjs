// npm run bench: one pass over 5,000 processes, as reap and epilog make it, side by side with `pgrep -u`.
// Runs as root in a pid namespace of its own. In turns; of polyns the pass alone, of pgrep the whole program.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { arch, cpus, release, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'

const checkout = fileURLToPath(new URL('..', import.meta.url))
const self = fileURLToPath(import.meta.url)
const rounds = Number(process.env.ROUNDS ?? 15)
const PROCESSES = 5000
const UID = 5001

if (process.argv[2] === 'inside') await bench()
else {
  if (process.geteuid() !== 0) {
    console.error('bench: needs root, to start processes of another user')
    process.exit(1)
  }
  const namespaces = '--mount --pid --fork --kill-child=KILL --mount-proc --propagation private --'.split(' ')
  const inside = ['--pdeathsig', 'KILL', '--', 'unshare', ...namespaces, process.execPath, self, 'inside']
  process.exit(spawnSync('setpriv', inside, { stdio: 'inherit' }).status ?? 1)
}

async function bench() {
  const { scanProcesses } = await load()
  const fork = `for (1 .. ${PROCESSES}) { fork or do { $< = $> = ${UID}; sleep 1000; exit } } print "ready\\n"; sleep 1000`
  const crowd = spawn('perl', ['-e', `$| = 1; ${fork}`], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(crowd.stdout, 'data')
  const cpu = /^model name\s*: (.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? arch()
  console.log(
    `Node ${process.version}, Linux ${release()}, ${cpus().length} x ${cpu}, ${rounds} rounds in turn, milliseconds`,
  )
  const contestants = {
    [`pgrep -u ${UID}`]: () => {
      const { stdout } = spawnSync('pgrep', ['-u', `${UID}`])
      return stdout.toString().trim().split('\n').length
    },
    'polyns, one pass': () => scanProcesses().pidsOf.get(UID)?.length,
  }
  const times = Object.fromEntries(Object.keys(contestants).map((name) => [name, []]))
  for (let round = -1; round < rounds; round++) {
    const order = Object.entries(contestants)
    for (const [name, run] of round % 2 === 0 ? order : order.reverse()) {
      const start = process.hrtime.bigint()
      const found = run()
      const ms = Number(process.hrtime.bigint() - start) / 1e6
      if (found !== PROCESSES) throw new Error(`${name} found ${found} of ${PROCESSES}`)
      if (round >= 0) times[name].push(ms)
    }
  }
  print(times, readdirSync('/proc').filter((name) => /^\d+$/.test(name)).length)
  crowd.kill('SIGKILL')
}

/** The function, bundled: it is TypeScript. */
async function load() {
  const directory = mkdtempSync(join(tmpdir(), 'polyns-bench-'))
  const path = join(directory, 'scan.mjs')
  try {
    const { outputFiles } = await build({
      entryPoints: [`${checkout}src/cleanup/processes.ts`],
      write: false,
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node20',
      external: ['koffi'],
      define: { 'import.meta.url': JSON.stringify(`file://${checkout}dist/scan.mjs`) }, // where koffi is looked for
    })
    writeFileSync(path, outputFiles[0].contents)
    return await import(pathToFileURL(path).href)
  } finally {
    rmSync(directory, { recursive: true })
  }
}

function print(times, processes) {
  const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)]
  const [[, base]] = Object.entries(times)
  console.log(`\n${processes} processes in /proc`)
  console.log(
    'what'.padEnd(24),
    'min'.padStart(8),
    'median'.padStart(8),
    'max'.padStart(8),
    '  ratio, median of pairs',
  )
  for (const [name, list] of Object.entries(times)) {
    const cells = [Math.min(...list), median(list), Math.max(...list)].map((ms) => ms.toFixed(1).padStart(8))
    const ratio = median(list.map((ms, i) => ms / base[i])).toFixed(3)
    console.log(name.padEnd(24), ...cells, ratio.padStart(26))
  }
}
