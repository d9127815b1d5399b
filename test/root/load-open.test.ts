/* Many sessions opened at the same moment: one namespace for each user, whoever is killed meanwhile. */
import t from 'tap'
import { addUsers, Crowd, remains, times } from '../support/crowd.js'
import { installPolyns } from '../support/install.js'
import { needs } from '../support/needs.js'
import { signal } from '../support/proc.js'
import { sleep } from '../support/run.js'
import { Sandbox } from '../support/sandbox.js'
import { logged } from './state.js'

const skip = needs('root', 'layer', 'dist')
const CONFIG = '/tmp /tmp/inst/ user:noinit root\n'
const COUNT = 100

/** What the log says became of the openings: { built: 1, joined: 99 }. */
async function kinds(box: Sandbox): Promise<Record<string, number>> {
  const found: Record<string, number> = {}
  for (const line of await logged(box)) {
    const kind = / opened, (\w+):/.exec(line)?.[1]
    if (kind !== undefined) found[kind] = (found[kind] ?? 0) + 1
  }
  return found
}

const statuses = (all: readonly { status: number | null }[]) => [...new Set(all.map(({ status }) => status))]

t.setTimeout(1_200_000) // a minute where nothing else runs

t.test(`${COUNT} openings of one user at the same moment`, { skip, timeout: 400_000 }, async (t) => {
  await using box = await Sandbox.start()
  await installPolyns(box, CONFIG)
  const users = Array.from({ length: COUNT }, () => 'alice')
  const crowd = await Crowd.start(box, { users, lanes: COUNT })
  const opened = await crowd.opened()
  t.comment(`${COUNT} of one user: ${times(opened.map(({ ms }) => ms))}`)
  t.same(statuses(opened), [0])
  const namespaces = new Set(opened.map(({ mntNs }) => mntNs))
  t.equal(namespaces.size, 1)
  t.notOk(namespaces.has(box.host.mntNs))
  t.same(await kinds(box), { built: 1, joined: COUNT - 1 })
  t.same(statuses(await crowd.end('close')), [0])
  t.same(await remains(box), [])
  t.same(box.processes(), [])
})

t.test(
  'the first of them is killed in the middle: another one builds',
  { skip, timeout: 400_000 },
  async (t) => {
    await using box = await Sandbox.start()
    await installPolyns(box, CONFIG)
    const users = Array.from({ length: COUNT }, () => 'alice')
    const under =
      'strace -D -qq -o /dev/null -e trace=move_mount -e signal=none -e inject=move_mount:delay_enter=60000000'
    const crowd = await Crowd.start(box, { users, lanes: COUNT, first: { under } })
    const { first } = await crowd.heard<{ first: number }>(30_000)
    // By then it is at its first mount: it has made the instance's parent and is in a namespace of its own.
    const helper = () => box.processes().find((p) => p.mntNs !== '' && p.mntNs !== box.host.mntNs)
    for (let i = 0; i < 3000 && helper() === undefined; i++) await sleep(10)
    crowd.say('go')
    await crowd.heard(30_000)
    // Not all of them: who has waited for the lock for 30 s gives up, and on a busy machine that is soon.
    const started = () => box.processes().filter((p) => / pam$/.test(p.command)).length
    for (let i = 0; i < 3000 && started() < COUNT / 4; i++) await sleep(10)
    const killed = helper()
    t.match(killed, { command: / pam$/ })
    // strace stops it once more on its way out, and takes no notice while it delays something: it goes too.
    const strace = box.processes().find((p) => p.command.startsWith('strace'))
    for (const one of [killed, strace]) if (one !== undefined) signal(one.hostPid, 'SIGKILL')
    const opened = await crowd.opened()
    const [leader, ...others] = opened
      .filter(({ pid }) => pid === first)
      .concat(opened.filter(({ pid }) => pid !== first))
    t.match(leader, { status: 137, mntNs: box.host.mntNs })
    t.same(statuses(others), [0])
    t.equal(others.length, COUNT - 1)
    t.equal(new Set(others.map(({ mntNs }) => mntNs)).size, 1)
    t.same(await kinds(box), { built: 1, joined: COUNT - 2 })
    t.same(statuses(await crowd.end('close')), [0])
    t.same(await remains(box), [])
    t.same(box.processes(), [])
  },
)

t.test(`${COUNT} openings of as many users`, { skip, timeout: 400_000 }, async (t) => {
  await using box = await Sandbox.start()
  await installPolyns(box, CONFIG)
  const users = await addUsers(box, 'user', COUNT, 7000)
  const crowd = await Crowd.start(box, { users, lanes: COUNT })
  const opened = await crowd.opened()
  t.comment(`${COUNT} of as many users: ${times(opened.map(({ ms }) => ms))}`)
  t.same(statuses(opened), [0])
  t.equal(new Set(opened.map(({ mntNs }) => mntNs).concat(box.host.mntNs)).size, COUNT + 1)
  t.same(await kinds(box), { built: COUNT })
  t.same((await box.sh('ls /tmp/inst')).trim().split('\n').sort(), [...users].sort())
  t.same(statuses(await crowd.end('close')), [0])
  t.same(await remains(box), [])
  t.same(box.processes(), [])
})
