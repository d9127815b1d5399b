// npm run bench: how long a user's login waits while his directory of 200,000 files is deleted: a session that opens in the
// middle of that, side by side with one that opens when nothing else happens. The deletion takes a processor or two
// besides, so `another user's, meanwhile` tells how much of it is that and not the wait for a lock.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { checkout, enclose, polyns, printMachine, printTimes, sh, time } from './common.mjs'

const rounds = Number(process.env.ROUNDS ?? 15)
const config = '--config /mnt/namespace.conf'
const PARENT = '/tmp/inst'

enclose(import.meta.url)
for (const dir of ['/tmp', '/run', '/mnt'])
  sh(`mount -t tmpfs -o mode=1777 bench ${dir}; chmod 755 /run /mnt`)
writeFileSync('/mnt/namespace.conf', `/tmp ${PARENT}/ user:noinit root\n`)
const make = 'for $d (1 .. 2000) { mkdir $d; for (1 .. 100) { open F, ">", "$d/$_" or die $! } }'

const times = { alone: [], "the user's, meanwhile": [], "another user's, meanwhile": [] }
for (let i = 0; i < rounds; i++) {
  times.alone.push(open('nobody'))
  times["the user's, meanwhile"].push(await during('nobody'))
  times["another user's, meanwhile"].push(await during('daemon'))
}
printMachine(`${rounds} rounds in turn`)
printTimes(times, 'alone')

/** A session of `user`'s, whole: milliseconds. */
function open(user) {
  const { ms, result } = time(() =>
    spawnSync('/bin/sh', ['-c', `${polyns} exec -u ${user} ${config} -- true`], {
      cwd: checkout,
      encoding: 'utf8',
    }),
  )
  if (result.status !== 0) throw new Error(`the session was refused: ${result.stderr}`)
  return ms
}

async function during(user) {
  sh(`cd ${PARENT}/nobody && perl -e '${make}'`, { cwd: '/' })
  const [node, program] = polyns.split(' ')
  const reap = spawn(node, [program, 'reap', '--config', '/mnt/namespace.conf'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const ended = once(reap, 'exit')
  while (!readdirSync(PARENT).some((name) => name.startsWith('.reaped.'))) {
    if (reap.exitCode !== null) throw new Error('reap has ended without having begun')
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  const ms = open(user)
  if (reap.exitCode !== null || !readdirSync(PARENT).some((name) => name.startsWith('.reaped.'))) {
    throw new Error('reap was faster than the login: nothing has been measured')
  }
  await ended
  if (user !== 'nobody') open('nobody') // makes the directory again
  if (!existsSync(`${PARENT}/nobody`)) throw new Error('the new session has no directory')
  return ms
}
