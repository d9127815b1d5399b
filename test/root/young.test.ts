/*
 * What a helper has just made, and not recorded yet, is left alone by a reap: also when the clock says that it is hours old,
 * since somebody has set it meanwhile.
 */
import t from 'tap'
import { underClock } from '../support/clock.js'
import { installPolyns, PAM_LINE } from '../support/install.js'
import { plainStack } from '../support/logins.js'
import { needs } from '../support/needs.js'
import { Sandbox } from '../support/sandbox.js'

const skip = needs('root', 'layer', 'dist')
const MADE = [
  '/mnt/inst/alice.session7',
  '/var/tmp/inst/.polyns-new.0011223344556677',
  '/var/tmp/inst/0123abcd',
]
const HOUR = 3_600_000

t.test('made just now, and then the clock is set', { skip }, async (t) => {
  await using box = await Sandbox.start()
  const rules = '/var/tmp /var/tmp/inst/ tmpdir:noinit root\n/mnt /mnt/inst/ user:noinit:scope=session root\n'
  await installPolyns(box, rules)
  await box.pam('app', plainStack([PAM_LINE]))
  await box.pamApp({ service: 'app', user: 'alice' })
  await box.sh(['mkdir', ...MADE])
  const there = async () => {
    const found = await box.sh('find /mnt/inst /var/tmp/inst -mindepth 1')
    return found.split('\n').filter(Boolean).sort()
  }
  const reap = async (aheadMs: number) => {
    t.match(await underClock(box, { aheadMs }, ['reap', '--json']), { status: 0, stderr: '' })
    return there()
  }
  const hold =
    "use Fcntl ':flock'; open F, '+<', '/run/polyns/lock/5001' or die; flock F, LOCK_EX; $| = 1; print qq(held\\n); sleep 600"
  const helper = box.spawn(['perl', '-e', hold])
  await helper.waitFor(/held/, 30_000)
  t.same(await there(), MADE)
  t.same(await reap(HOUR), MADE, 'alice has a session in the making')
  await box.end(helper)
  t.same(await reap(0), MADE, 'nobody has, but it is of this minute')
  t.same(await reap(HOUR), [], 'then all of it goes')
})
