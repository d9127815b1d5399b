/* Sessions that open while what nobody uses is taken away: none ever lands in a directory that goes. */
import t from 'tap'
import { call, install } from '../support/inside.js'
import { installPolyns, PAM_LINE } from '../support/install.js'
import { plainStack } from '../support/logins.js'
import { needs } from '../support/needs.js'
import { Sandbox } from '../support/sandbox.js'
import type { RaceCall, RaceReport } from './entry/race.js'

const skip = needs('root', 'layer', 'dist')
const ROUNDS = 1000

const CALL: RaceCall = {
  rounds: ROUNDS,
  workers: 3,
  users: [
    { name: 'alice', uid: 5001 },
    { name: 'bob', uid: 5002 },
    { name: 'carol', uid: 5003 },
  ],
  places: [
    { polydir: '/tmp', parent: '/tmp/inst', perJob: false },
    { polydir: '/dev/shm', parent: '/dev/shm/inst', perJob: true },
  ],
}

t.setTimeout(600_000) // about 70 s where nothing else runs

t.test('1,000 sessions beside reap and epilog', { skip, timeout: 590_000 }, async (t) => {
  await using box = await Sandbox.start()
  // A file system whose inode numbers never come again: each tells one directory from all others.
  await box.sh('mount -t tmpfs -o mode=1777 tmp /tmp')
  const scopes = '/tmp /tmp/inst/ user:noinit root\n/dev/shm /dev/shm/inst/ user:noinit:scope=job root\n'
  await installPolyns(box, scopes)
  await box.pam('su', plainStack([PAM_LINE]))
  const program = await install(box, 'race')
  const report = await call<RaceReport>(box, program, CALL, { timeoutMs: 580_000 })

  const { rounds, seconds, reaps, epilogs, removed, seen } = report
  const removals = (paths: string[]) => paths.reduce((sum, path) => sum + (removed[path] ?? 0), 0)
  const all = removals(Object.keys(removed))
  const ofUsers = removals(CALL.users.map(({ name }) => `/tmp/inst/${name}`))
  t.comment(
    `${rounds} sessions, ${reaps} reaps, ${epilogs} epilogs, ${all} directories taken away, ${ofUsers} of them the /tmp of a user, in ${seconds} s`,
  )
  t.same(report.wrong, [])
  t.same(report.failed, [])
  t.equal(rounds, ROUNDS)
  t.ok(reaps > 20 && epilogs > 300 && ofUsers > 100, 'and there was something to collide with')
  t.same(removed, seen, 'each directory that a session has seen was taken away, once')
  const left = await box.sh('ls -A /tmp/inst /dev/shm/inst /run/polyns/sessions')
  t.equal(left, '/dev/shm/inst:\n\n/run/polyns/sessions:\n\n/tmp/inst:\n')
})
