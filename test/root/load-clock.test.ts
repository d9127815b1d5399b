/* A wall clock that is wrong, or set while polyns runs: nothing is taken away early, nothing runs for ever. */
import t from 'tap'
import { underClock, type WallClock } from '../support/clock.js'
import { installPolyns, PAM_LINE, POLYNS } from '../support/install.js'
import { plainStack } from '../support/logins.js'
import { needs } from '../support/needs.js'
import { sleep } from '../support/run.js'
import { Sandbox } from '../support/sandbox.js'

const skip = needs('root', 'layer', 'dist')
const DAY = 86_400_000
const YEARS = 20 * 365 * DAY
const IDLE = '/run/polyns/idle.json'

interface Reaped {
  removed: unknown[]
  kept: { why: string }[]
  entries: number
  complete: boolean
}

async function machine(): Promise<Sandbox> {
  const box = await Sandbox.start()
  await installPolyns(box, '/tmp /tmp/inst/ user:noinit root\n')
  await box.pam('app', plainStack([PAM_LINE]))
  return box
}
const session = (box: Sandbox, command = 'true') => box.pamApp({ service: 'app', user: 'alice', command })

async function reap(box: Sandbox, clock: WallClock, ...args: string[]): Promise<Reaped> {
  const { status, stdout, stderr } = await underClock(box, clock, ['reap', '--json', ...args])
  if (status !== 0) throw new Error(`status ${status}: ${stderr}`)
  return JSON.parse(stdout)
}

t.test('who has just gone, by a clock that jumps', { skip, timeout: 300_000 }, async (t) => {
  await using box = await machine()
  await session(box)
  const isKept = async (what: string, aheadMs: number) => {
    const { kept, removed } = await reap(box, { aheadMs }, '--idle', '3h')
    t.match([removed, kept], [[], [{ why: 'alice has been gone for 0 of 180 minutes' }]], what)
  }
  await isKept('at first, as at a boot without a clock: 20 years behind', -YEARS)
  await isKept('once the network has told the time', 0)
  await isKept('after a leap of a day', DAY)
  await isKept('and back', -DAY)
  await t.test('is known of another boot only: that tells nothing of this one', async (t) => {
    await box.write(IDLE, JSON.stringify({ boot: 'another', since: { '/tmp/inst/alice': 0 } }), 0o600)
    await isKept('gone since that boot began', 0)
    const stillDown = JSON.stringify({ '/tmp/inst/alice': 0 })
    await box.write(IDLE, stillDown, 0o600)
    await isKept('in the form of an older polyns', 0)
    t.not(await box.read(IDLE), stillDown)
  })
  await t.test('goes when that time is over, though the clock has been set back', async (t) => {
    await sleep(1100)
    t.match(await reap(box, { aheadMs: -DAY }, '--idle', '1s'), { removed: [{ path: '/tmp/inst/alice' }] })
  })
})

t.test('the time that a removal may take', { skip, timeout: 300_000 }, async (t) => {
  await using box = await machine()
  const fill = () => session(box, 'cd /tmp && seq 30000 | xargs touch')
  await fill()
  const forth = await reap(box, { aheadMs: DAY, fromLook: 1 }, '--budget', '1h')
  t.match(forth, { complete: true, entries: 30_001 }, 'is not over when the clock leaps forward')
  await fill()
  const back = await reap(box, { aheadMs: -DAY, fromLook: 1 }, '--budget', '0')
  t.equal(back.complete, false, 'is over though the clock leaps back')
  t.match(JSON.parse(await box.sh(`${POLYNS} reap --json`)), { complete: true }, 'and the next run goes on')
  t.equal(await box.sh('ls -A /tmp/inst'), '')
})
