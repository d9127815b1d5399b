/*
 * user.max_mnt_namespaces is reached. That limit is one of each user namespace, so all of this happens in one of its own:
 * the machine's stays what it is.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { installPolyns, POLYNS } from '../support/install.js'
import { needs } from '../support/needs.js'
import { childrenOf, link } from '../support/proc.js'
import { type Running, Sandbox } from '../support/sandbox.js'
import { lastLogged } from './state.js'

const skip = needs('root', 'layer', 'dist')
const LIMIT = 5 // the base, three sessions, and what each needs for a moment while it mounts: fsmount(2) takes one too

t.test('user.max_mnt_namespaces is reached', { skip, timeout: 120_000 }, async (t) => {
  await using box = await Sandbox.start()
  await installPolyns(box, '/tmp /tmp/inst/ user:noinit root\n')
  // pid 1 of a pid namespace, whose mount namespace, the base of all sessions, belongs to a user namespace of its own.
  const outer = 'unshare --mount --pid --fork --kill-child --mount-proc -- unshare --user --mount sleep 1000'
  const holder = box.spawn(outer.split(' '))
  const { hostPid } = await box.pidOf(holder)
  const usersNs = () =>
    childrenOf(hostPid).find((pid) => link(`/proc/${pid}/ns/user`) !== link('/proc/self/ns/user'))
  for (let i = 0; i < 500 && usersNs() === undefined; i++) await new Promise((r) => setTimeout(r, 20))
  const first = usersNs() ?? 0
  for (const map of ['uid_map', 'gid_map']) writeFileSync(`/proc/${first}/${map}`, '0 0 65536')
  const pid = /^NSpid:.*\s(\d+)\s\d+$/m.exec(readFileSync(`/proc/${first}/status`, 'utf8'))?.[1] // in the sandbox
  const inside = (...argv: string[]) => ['nsenter', '-t', `${pid}`, '-U', '-m', '-p', '--', ...argv]
  const setting = '/proc/sys/user/max_mnt_namespaces'
  const limit = await box.sh(`cat ${setting}`)
  const ours = link('/proc/self/ns/user')
  const set = `[ "$(readlink /proc/self/ns/user)" != '${ours}' ] && echo ${LIMIT} >${setting} && cat ${setting}`
  t.equal(await box.sh(inside('sh', '-c', set)), `${LIMIT}\n`)
  t.equal(await box.sh(`cat ${setting}`), limit, 'outside it is what it was')

  const session = async (user: string): Promise<{ running: Running; status: number }> => {
    const script = `PAM_TYPE=open_session PAM_SERVICE=app PAM_USER=${user} ${POLYNS} pam; echo "status $?"; read _`
    const running = box.spawn(inside('sh', '-c', script), { input: 'pipe' })
    const [, status] = await running.waitFor(/^status (\d+)$/m, 60_000)
    return { running, status: Number(status) }
  }
  const end = async ({ running }: { running: Running }) => {
    running.child.stdin?.end()
    await running.exited
  }
  await box.sh('echo "dave:x:5004:5004::/:/bin/sh" >>/etc/passwd')
  const [alice, bob, carol] = [await session('alice'), await session('bob'), await session('carol')]
  t.same([alice.status, bob.status, carol.status], [0, 0, 0], 'three sessions have room')
  const refused = await session('dave')
  t.not(refused.status, 0)
  t.match(
    await lastLogged(box),
    /of dave: refused: .*(unshare|fsmount|open_tree)\(.*ENOSPC \(.*user\.max_mnt_namespaces/,
  )
  const again = await session('alice')
  t.equal(again.status, 0, 'who only joins gets in')
  await end(refused)
  await end(bob)
  const dave = await session('dave')
  t.equal(dave.status, 0, 'and so does everybody, once one has ended')
  for (const one of [alice, again, carol, dave]) await end(one)
  await box.end(holder, 'SIGKILL')
})
