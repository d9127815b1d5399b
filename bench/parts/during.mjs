// How long a user's login waits while his directory of very many files is deleted: a session that opens in the middle of that,
// side by side with one when nothing else happens. The deletion takes a processor or two besides, so another user's login,
// meanwhile, tells how much of it is that and not the wait for a lock.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { installPolyns, POLYNS, report, sh, sized, timed } from '../inside.mjs'

const rounds = sized(5, 2)
const directories = sized(1000, 400)
const PARENT = '/tmp/polyns-inst'
const make = `for $d (1 .. ${directories}) { mkdir $d; for (1 .. 100) { open F, ">", "$d/$_" or die $! } }`

installPolyns()
const times = { 'nothing else happens': [], 'his directory is being deleted': [], "another user's is": [] }
open('alice')
for (let i = 0; i < rounds; i++) {
  times['nothing else happens'].push(open('alice'))
  times['his directory is being deleted'].push(await during('alice'))
  times["another user's is"].push(await during('bob'))
}
report([
  {
    kind: 'turns',
    id: 'during',
    title: `A session opens while a directory of ${(directories * 100).toLocaleString('en')} files is deleted`,
    unit: 'ms',
    base: 'nothing else happens',
    times,
  },
])

/** A session of `user`'s, whole: milliseconds. */
function open(user) {
  const { ms, result } = timed(() =>
    spawnSync(POLYNS, ['exec', '-u', user, '--', 'true'], { encoding: 'utf8' }),
  )
  if (result.status !== 0) throw new Error(`the session was refused: ${result.stderr}`)
  return ms
}

async function during(user) {
  sh(`cd ${PARENT}/alice && perl -e '${make}'`)
  const reap = spawn(POLYNS, ['reap'], { stdio: ['ignore', 'ignore', 'inherit'] })
  const ended = once(reap, 'exit')
  const isAtWork = () => readdirSync(PARENT).some((name) => name.startsWith('.reaped.'))
  while (!isAtWork()) {
    if (reap.exitCode !== null) throw new Error('reap has ended without having begun')
    await setTimeout(1)
  }
  const ms = open(user)
  if (reap.exitCode !== null || !isAtWork())
    throw new Error('reap was faster than the login: nothing was measured')
  await ended
  open('alice') // makes the directory again
  if (!existsSync(`${PARENT}/alice`)) throw new Error('the new session has no directory')
  return ms
}
