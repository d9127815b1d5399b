/*
 * A thousand sessions held at the same time, half with a namespace of their own, half sharing one for each user: every
 * command works on them, and they all end. FULL=1: the usual run holds 200.
 */
import t from 'tap'
import { addUsers, Crowd, remains, times } from '../support/crowd.js'
import { doctor } from '../support/doctor.js'
import { installPolyns, POLYNS } from '../support/install.js'
import { needs } from '../support/needs.js'
import { Sandbox } from '../support/sandbox.js'

const skip = needs('root', 'layer', 'dist')
const COUNT = process.env.FULL === '1' ? 1000 : 200
const USERS = 10
const LANES = 8

t.setTimeout(1_800_000) // half a minute where nothing else runs; FULL: two

t.test(`${COUNT} sessions held`, { skip, timeout: 1_700_000 }, async (t) => {
  await using box = await Sandbox.start()
  const sharing = await addUsers(box, 'share', USERS, 7000)
  const alone = await addUsers(box, 'alone', USERS, 7100)
  const ofAlone = `/var/tmp /var/tmp/inst/ tmpdir:noinit ~${alone.join(',')}`
  await installPolyns(box, `/tmp /tmp/inst/ user:noinit root\n${ofAlone}\n`)
  await box.sh(`${POLYNS} setup; mkdir -p /srv/data`, { timeoutMs: 60_000 })
  const sessionsOf = (names: string[]) => Array.from({ length: COUNT / 2 }, (_, i) => names[i % USERS] ?? '')
  const timed = async <T>(what: string, run: () => Promise<T>): Promise<T> => {
    const start = performance.now()
    const result = await run()
    t.comment(`${what}: ${Math.round(performance.now() - start)} ms`)
    return result
  }
  const json = async (command: string) =>
    JSON.parse(await timed(command, () => box.sh(`${POLYNS} ${command}`, { timeoutMs: 300_000 })))

  const own = await Crowd.start(box, { users: sessionsOf(alone), lanes: LANES })
  const ofOwn = await own.opened(800_000)
  const shared = await Crowd.start(box, { users: sessionsOf(sharing), lanes: LANES })
  const ofShared = await shared.opened(800_000)
  for (const [what, opened, namespaces] of [
    ['own', ofOwn, COUNT / 2],
    ['shared', ofShared, USERS],
  ] as const) {
    t.comment(`${what}: ${times(opened.map(({ ms }) => ms))}`)
    t.same([...new Set(opened.map(({ status }) => status))], [0], what)
    t.equal(new Set(opened.map(({ mntNs }) => mntNs)).size, namespaces, what)
  }
  const all = COUNT / 2 + USERS

  const { sessions, users } = await json('list --json')
  t.equal(sessions.length, COUNT, 'list')
  t.equal(new Set(sessions.map((one: { namespace: string }) => one.namespace)).size, all)
  t.equal(users.length, 2 * USERS)
  const metrics = await timed('metrics', () => box.sh(`${POLYNS} metrics`, { timeoutMs: 300_000 }))
  t.match(metrics, new RegExp(`^polyns_sessions\\{service="crowd"\\} ${COUNT}$`, 'm'))
  t.match(metrics, new RegExp(`^polyns_namespaces ${all}$`, 'm'))
  const { found } = await timed('doctor', () => doctor(box))
  t.same(
    found.filter(({ id, severity }) => severity !== 'ok' && /records|lock|orphan|leftover|nobody/.test(id)),
    [],
    'doctor',
  )
  await box.sh('mount -t tmpfs data /srv/data')
  const { namespaces } = await json('mount --json /srv/data')
  const outcomes = namespaces.map((one: { outcome: string }) => one.outcome)
  t.equal(outcomes.length, all, 'mount')
  t.equal(new Set(outcomes).size, 1, [...new Set(outcomes)].join(' '))
  const leader = ofOwn.at(-1)?.pid ?? 0
  t.match(await box.sh(`nsenter -t ${leader} -m findmnt -n /srv/data`), /tmpfs/)
  const { removed, kept } = await json('reap --json')
  t.same(removed, [], 'reap takes nothing')
  t.equal(kept.length, 2 * USERS + COUNT / 2)

  const closed = await timed('closing those with their own', () => own.end('close', 800_000))
  t.same([...new Set(closed.map(({ status }) => status))], [0], 'they all end')
  await timed('ending the others without closing', () => shared.end('end'))
  t.same(box.processes(), [])
  const last = await json('reap --json')
  t.equal(last.removed.length, 2 * USERS, 'and reap clears away what was theirs')
  t.same(await remains(box, ['/tmp/inst', '/var/tmp/inst']), [])
})
