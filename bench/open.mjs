// npm run bench: what one session open costs, side by side with the least that any Node program with koffi costs.
// Runs as root in namespaces of its own, with its own /run, /tmp, /dev/shm and /etc/polyns; needs `npm run build`.
// A shell plays the PAM application: it starts the helper and waits, and is adopted, as sshd is under pam_exec.
import { spawn, spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { arch, cpus, release } from 'node:os'
import { fileURLToPath } from 'node:url'

const checkout = fileURLToPath(new URL('..', import.meta.url))
const rounds = Number(process.env.ROUNDS ?? 60)

if (process.argv[2] !== 'inside') {
  if (process.geteuid() !== 0) {
    console.error('bench: needs root, to make namespaces and to adopt a process')
    process.exit(1)
  }
  const namespaces = [
    '--mount',
    '--pid',
    '--fork',
    '--kill-child=KILL',
    '--mount-proc',
    '--propagation',
    'private',
  ]
  const self = fileURLToPath(import.meta.url)
  const { status } = spawnSync('unshare', [...namespaces, '--', process.execPath, self, 'inside'], {
    stdio: 'inherit',
  })
  process.exit(status ?? 1)
}

const sh = (text, options = {}) => spawnSync('/bin/sh', ['-c', text], { cwd: checkout, ...options })
for (const dir of ['/tmp', '/dev/shm']) sh(`mount -t tmpfs -o mode=1777 bench ${dir}`)
for (const dir of ['/run', '/mnt']) sh(`mount -t tmpfs -o mode=755 bench ${dir}`)
// nobody is in every passwd file; root is whoever starts this.
writeFileSync(
  '/mnt/namespace.conf',
  '/tmp /tmp/inst/ user:noinit root\n/dev/shm /dev/shm/inst/ user:noinit root\n',
)

const env = { PAM_TYPE: 'open_session', PAM_SERVICE: 'bench', PAM_USER: 'nobody' }
const bin = `${checkout}bin/polyns pam --config /mnt/namespace.conf`
const bundle = `${process.execPath} ${checkout}dist/start.cjs pam --config /mnt/namespace.conf`
const proof = '&& grep -q "/inst/nobody /tmp" /proc/self/mountinfo'

// Each is a shell command; `true` after it keeps the shell from becoming the program that it should wait for.
const subjects = {
  'node -e 0': `${process.execPath} -e 0; true`,
  'node, koffi loaded': `${process.execPath} -e 'require("koffi")'; true`,
  'polyns, nothing to do': `PAM_USER=root ${bundle} || exit 1; true`,
  'polyns, built': `${bundle} || exit 1; true`,
  'polyns, built, by its launcher': `${bin} || exit 1; true`,
}

function time(command) {
  const start = process.hrtime.bigint()
  const { status } = sh(command, { env, stdio: 'ignore' })
  const ms = Number(process.hrtime.bigint() - start) / 1e6
  if (status !== 0) throw new Error(`'${command}' gave status ${status}`)
  return ms
}

const check = sh(`${bundle} ${proof}`, { env, encoding: 'utf8' })
if (check.status !== 0) throw new Error(`the session that is measured does not work: ${check.stderr}`)

const times = measure(subjects)
const held = spawn('/bin/sh', ['-c', `${bundle} && echo open && read _`], {
  env,
  cwd: checkout,
  stdio: ['pipe', 'pipe', 'inherit'],
})
await new Promise((resolve) => held.stdout.once('data', resolve))
const joined = measure({
  'node, koffi loaded': subjects['node, koffi loaded'],
  'polyns, joined': subjects['polyns, built'],
})
held.stdin.end()

const cpu = /^model name\s*: (.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? arch()
console.log(
  `Node ${process.version}, Linux ${release()}, ${cpus().length} x ${cpu}, ${rounds} rounds in turn, milliseconds\n`,
)
print(times, 'node, koffi loaded')
console.log()
print(joined, 'node, koffi loaded')

/** Runs all in turn, round by round, so that a machine that gets slower does so for all of them. */
function measure(commands) {
  const result = Object.fromEntries(Object.keys(commands).map((name) => [name, []]))
  for (const command of Object.values(commands)) time(command) // warm
  for (let i = 0; i < rounds; i++) {
    for (const [name, command] of Object.entries(commands)) result[name].push(time(command))
  }
  return result
}

function print(measured, baseline) {
  console.log(
    `${'what'.padEnd(32)} ${'min'.padStart(7)} ${'median'.padStart(7)} ${'max'.padStart(7)}   ratio, median of pairs`,
  )
  for (const [name, values] of Object.entries(measured)) {
    const ratios = values.map((value, i) => value / measured[baseline][i])
    const figures = [Math.min(...values), median(values), Math.max(...values)].map((v) =>
      v.toFixed(1).padStart(7),
    )
    console.log(`${name.padEnd(32)} ${figures.join(' ')}   ${median(ratios).toFixed(3)}`)
  }
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
