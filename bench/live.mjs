// npm run bench: how long one `polyns mount` takes to reach SESSIONS (1000) live sessions, each with a namespace of its own, and
// `polyns umount` to take it away again. Real sessions, by `polyns exec`; that is most of the time the bench runs.
import { spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { enclose, polyns, printMachine, printTimes, sh, time as timeOf } from './common.mjs'

const count = Number(process.env.SESSIONS ?? 1000)
const rounds = Number(process.env.ROUNDS ?? 9)
const AT_ONCE = 2 * cpus().length

enclose(import.meta.url)
// Everything is private, so a session hears nothing of a mount that comes later.
for (const dir of ['/tmp', '/run', '/mnt']) sh(`mount -t tmpfs -o mode=755 bench ${dir}`)
mkdirSync('/mnt/data')
// scope=session: sessions of one user with a shared one would join each other's namespace.
writeFileSync('/mnt/namespace.conf', '/tmp /tmp/inst/ user:noinit:scope=session root\n')

const pids = []
await Promise.all(
  Array.from({ length: AT_ONCE }, async () => {
    while (pids.length < count) {
      pids.push(0)
      await open()
    }
  }),
)
const live = new Set(sh('readlink /proc/[0-9]*/ns/mnt || true').split('\n').filter(Boolean)).size - 1
sh('mount -t tmpfs bench /mnt/data')

const times = { mount: [], 'mount, again': [], umount: [] }
for (let i = 0; i < rounds; i++) {
  times.mount.push(time('mount', 'mounted'))
  times['mount, again'].push(time('mount', 'already'))
  times.umount.push(time('umount', 'unmounted'))
}
printMachine(`${live} live namespaces, ${rounds} rounds`)
printTimes(times)
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
  const { ms, result } = timeOf(() => sh(`${polyns} ${command} --json /mnt/data`))
  const { namespaces } = JSON.parse(result)
  const good = namespaces.filter((one) => one.outcome === outcome).length
  if (good === live && namespaces.length === live) return ms
  throw new Error(`${command}: ${outcome} in ${good} of ${live}: ${JSON.stringify(namespaces[0])}`)
}
