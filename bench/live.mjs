// node bench/live.mjs: how long one `polyns mount` takes to reach COUNT (1000) live sessions, each with a namespace of its own,
// and `polyns umount` to take it away again. Real sessions, by `polyns exec`; that is most of the time the bench runs. As root;
// in mount and pid namespaces of its own, so nothing is left on the machine.
import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { arch, cpus, loadavg, release } from 'node:os'
import { fileURLToPath } from 'node:url'

const checkout = fileURLToPath(new URL('..', import.meta.url))
const count = Number(process.env.COUNT ?? 1000)
const rounds = Number(process.env.ROUNDS ?? 5)
const AT_ONCE = 2 * cpus().length

if (process.argv[2] !== 'inside') {
  if (process.geteuid() !== 0) {
    console.error('bench: needs root, to make namespaces')
    process.exit(1)
  }
  const namespaces = '--mount --pid --fork --kill-child=KILL --mount-proc --propagation private'.split(' ')
  const self = fileURLToPath(import.meta.url)
  const { status } = spawnSync('unshare', [...namespaces, '--', process.execPath, self, 'inside'], {
    stdio: 'inherit',
  })
  process.exit(status ?? 1)
}

const sh = (text) => {
  const { status, stdout, stderr } = spawnSync('/bin/sh', ['-c', text], {
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  })
  if (status !== 0) throw new Error(`'${text}' gave status ${status}: ${stdout}${stderr}`)
  return stdout
}
// Everything is private, so a session hears nothing of a mount that comes later.
for (const dir of ['/tmp', '/run', '/mnt']) sh(`mount -t tmpfs -o mode=755 bench ${dir}`)
mkdirSync('/mnt/data')
// scope=session: sessions of one user with a shared one would join each other's namespace.
writeFileSync('/mnt/namespace.conf', '/tmp /tmp/inst/ user:noinit:scope=session root\n')

const polyns = `${process.execPath} ${checkout}dist/start.cjs`
const pids = []
const opening = performance.now()
await Promise.all(
  Array.from({ length: AT_ONCE }, async () => {
    while (pids.length < count) {
      pids.push(0)
      await open()
    }
  }),
)
const opened = performance.now() - opening
const live = new Set(sh('readlink /proc/[0-9]*/ns/mnt || true').split('\n').filter(Boolean)).size - 1
sh('mount -t tmpfs bench /mnt/data')

const times = { mount: [], 'mount, again': [], umount: [] }
for (let i = 0; i < rounds; i++) {
  times.mount.push(time('mount', 'mounted'))
  times['mount, again'].push(time('mount', 'already'))
  times.umount.push(time('umount', 'unmounted'))
}
const cpu = /^model name\s*: (.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? arch()
console.log(
  `Node ${process.version}, Linux ${release()}, ${cpus().length} x ${cpu}, load ${loadavg()[0].toFixed(1)}`,
)
console.log(
  `${live} live namespaces, opened in ${(opened / 1000).toFixed(0)} s; ${rounds} rounds, milliseconds\n`,
)
console.log(`${'what'.padEnd(20)} ${['min', 'median', 'max'].map((name) => name.padStart(7)).join(' ')}`)
for (const [name, values] of Object.entries(times)) {
  const sorted = values.sort((a, b) => a - b)
  const figures = [sorted[0], sorted[sorted.length >> 1], sorted.at(-1)]
  console.log(`${name.padEnd(20)} ${figures.map((ms) => ms.toFixed(0).padStart(7)).join(' ')}`)
}
process.exit(0) // with pid 1 all sessions end

/** A session that stays. */
function open() {
  const argv = [
    '-c',
    `exec ${polyns} exec -u nobody --config /mnt/namespace.conf -- /bin/sh -c 'echo open; exec sleep 1000'`,
  ]
  const child = spawn('/bin/sh', argv, { stdio: ['ignore', 'pipe', 'inherit'] })
  return new Promise((resolve, reject) => {
    child.once('exit', () => reject(new Error('a session has ended')))
    child.stdout.once('data', () => {
      child.stdout.destroy()
      resolve()
    })
  })
}

/** One run, which must have the same `outcome` in each namespace. */
function time(command, outcome) {
  const start = performance.now()
  const { namespaces } = JSON.parse(sh(`${polyns} ${command} --json /mnt/data`))
  const ms = performance.now() - start
  const good = namespaces.filter((one) => one.outcome === outcome).length
  if (good === live && namespaces.length === live) return ms
  throw new Error(`${command}: ${outcome} in ${good} of ${live}: ${JSON.stringify(namespaces[0])}`)
}
