/*
 * An install or uninstall that is killed at any step: each stack is the old one or the new one, and the next uninstall or install
 * puts all right. The kill comes from strace, when the program is about to make the Nth call that changes a name.
 */
import t from 'tap'
import { listing, OWN, polyns } from '../support/installed.js'
import { needs } from '../support/needs.js'
import type { Result } from '../support/run.js'
import { Sandbox } from '../support/sandbox.js'

const skip = needs('root', 'layer', 'dist')

const INSTALL = ['install', '--pam', 'su', '--trial-user', 'alice']

/** Without -f: the logins that are tried are other processes, and are let through. */
function killed(box: Sandbox, calls: string, when: number, args: readonly string[]): Promise<Result> {
  const inject = ['-e', `trace=${calls}`, '-e', `inject=${calls}:signal=KILL:when=${when}`]
  return box.run(['strace', '-qq', '-o', '/dev/null', ...inject, OWN, ...args], { timeoutMs: 120_000 })
}

const MOST = 60
/** FULL=1: every step of uninstall, too. */
const STRIDE = process.env.FULL === '1' ? 1 : 4

t.test('install', { skip }, async (t) => {
  await using box = await Sandbox.start({ leftovers: 'ignore' })
  await box.pamApp({ service: 'su', user: 'alice' }) // what a first session makes is there
  const old = await box.read('/etc/pam.d/su')
  const before = await listing(box)
  const [fresh] = (await box.sh([OWN, ...INSTALL, '--dry-run'])).match(/^\+session .*$/m) ?? ['']
  const line = fresh.slice(1)
  const states = new Set<string>()
  let when = 1
  for (; when <= MOST; when++) {
    const { status, signal } = await killed(box, 'rename', when, INSTALL)
    if (status === 0) break
    const now = await box.read('/etc/pam.d/su')
    const isNew = now !== old
    if (isNew)
      t.equal(
        now
          .split('\n')
          .filter((one) => one !== line)
          .join('\n'),
        old,
        `kill ${when}: the whole new one`,
      )
    states.add(isNew ? 'new' : 'old')
    t.match(
      await box.pamApp({ service: 'su', user: 'alice' }),
      { open: 0 },
      `kill ${when} (${signal ?? status}): su goes on`,
    )
    if (when % 2 === 0) t.match(await polyns(box, ...INSTALL), { status: 0 }, `kill ${when}: install again`)
    t.match(await polyns(box, 'uninstall'), { status: 0 }, `kill ${when}: uninstall`)
    await box.sh('rmdir /tmp/polyns-inst /dev/shm/polyns-inst 2>/dev/null; rm -rf /run/polyns')
    t.same(await listing(box), before, `kill ${when}: as before`)
  }
  t.ok(when > 5 && when < MOST, `${when - 1} steps`)
  t.same([...states].sort(), ['new', 'old'], 'kills before and after the stack was written')
})

t.test('uninstall', { skip }, async (t) => {
  await using box = await Sandbox.start({ leftovers: 'ignore' })
  const before = await listing(box)
  const calls = 'rename,unlink,rmdir'
  let when = 1
  for (; when <= MOST; when += STRIDE) {
    t.match(await polyns(box, ...INSTALL), { status: 0 })
    const { status } = await killed(box, calls, when, ['uninstall'])
    if (status === 0) break
    t.match(await box.pamApp({ service: 'su', user: 'root' }), { open: 0 }, `kill ${when}: su goes on`)
    t.match(await polyns(box, 'uninstall'), { status: 0 }, `kill ${when}: uninstall again`)
    await box.sh('rm -rf /run/polyns')
    t.same(await listing(box), before, `kill ${when}: as before`)
  }
  t.ok(when > 5 && when < MOST, `${when - 1} steps`)
})
