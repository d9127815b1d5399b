// npm run bench: what `polyns list`, `metrics` and `doctor` cost with many live namespaces, and what a login pays for being counted.
// Has its own /run, /tmp and /etc/passwd. All sessions are real: a shell plays the PAM application, opens one with a namespace
// of its own, and becomes a sleep.
import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { bundle, enclose, polyns, printMachine, printTimes, sh, time } from './common.mjs'

const rounds = Number(process.env.ROUNDS ?? 9)
const sessions = Number(process.env.SESSIONS ?? 1000)
const users = 100

enclose(import.meta.url)
sh(
  'mount -t tmpfs -o mode=1777 bench /tmp; mount -t tmpfs -o mode=755 bench /run; mount -t tmpfs -o mode=755 bench /mnt',
)
/** What `polyns pam` calls, the first time in a process that is what a login pays. */
const TALLY = `
  import { openat2 } from './src/sys/path.js'
  import { statx } from './src/sys/stat.js'
  import { tally } from './src/session/tally.js'
  import { spawnSync } from 'node:child_process'
  import { renameSync, writeFileSync } from 'node:fs'
  if (process.argv[3] === undefined) {
    const one = () => Number(spawnSync(process.execPath, [__filename, '1', 'once'], { encoding: 'utf8' }).stdout)
    console.log(JSON.stringify(Array.from({ length: Number(process.argv[2]) }, one)))
  } else {
    // A login has opened files and written its record by then.
    writeFileSync('/run/polyns/.bench', 'x'.repeat(500))
    renameSync('/run/polyns/.bench', '/run/polyns/bench')
    openat2(null, '/run/polyns', 0, 0)[Symbol.dispose]()
    statx(null, '/run/polyns')
    const start = process.hrtime.bigint()
    tally('built', 43210)
    console.log(Number(process.hrtime.bigint() - start) / 1e6)
  }`

const people = Array.from({ length: users }, (_, i) => `bench${i}:x:${60_000 + i}:${60_000 + i}::/:/bin/sh\n`)
writeFileSync('/mnt/passwd', readFileSync('/etc/passwd', 'utf8') + people.join(''))
sh('mount --bind /mnt/passwd /etc/passwd')
writeFileSync('/mnt/namespace.conf', '/tmp /tmp/inst/ user:noinit:scope=session root\n')
const config = '--config /mnt/namespace.conf'

async function open(i) {
  const env = { PAM_TYPE: 'open_session', PAM_SERVICE: 'bench', PAM_USER: `bench${i % users}` }
  const script = `${polyns} pam ${config} && echo open && exec sleep 1000000`
  const child = spawn('/bin/sh', ['-c', script], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  await new Promise((resolve, reject) => {
    child.stdout.once('data', resolve)
    child.once('exit', (status) => reject(new Error(`session ${i} was refused, status ${status}`)))
  })
}

let next = 0
const lane = async () => {
  while (next < sessions) await open(next++)
}
await Promise.all(Array.from({ length: cpus().length * 2 }, lane))

const seen = JSON.parse(sh(`${polyns} list --json ${config}`))
const own = new Set(seen.sessions.map(({ namespace }) => namespace)).size
if (seen.sessions.length !== sessions || own !== sessions)
  throw new Error(`${seen.sessions.length} sessions, ${own} namespaces`)

const commands = ['list', 'list --json', 'list --budget 0', 'metrics'].map((what) => [
  `polyns ${what}`,
  `${polyns} ${what} ${config}`,
])
commands.push(['polyns doctor', `{ ${polyns} doctor ${config} || :; }`]) // this is no machine in good order
const times = Object.fromEntries(commands.map(([name]) => [name, []]))
for (let i = 0; i < rounds; i++) {
  for (const [name, command] of commands) {
    times[name].push(time(() => sh(`${command} >/dev/null`)).ms)
  }
}
writeFileSync('/mnt/tally.cjs', await bundle(TALLY))
times['counting one login'] = JSON.parse(sh(`${process.execPath} /mnt/tally.cjs ${rounds}`))
printMachine(`${sessions} live namespaces, ${rounds} rounds`)
printTimes(times)
process.exit(0) // the sleeps end with this process, which is pid 1 here
