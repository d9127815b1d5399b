/*
 * The lock of a user. Who waits for it goes by whether it moves from one to the next: then there is no limit but the login's
 * own; a process that never lets it go is named, before that limit is over.
 */
import t from 'tap'
import { AT_MOST_MS, logged, machine, wasRefusedInTime } from '../support/limits.js'
import { needs } from '../support/needs.js'
import type { Running, Sandbox } from '../support/sandbox.js'

const skip = needs('root', 'layer', 'dist')
const LOCK = '/run/polyns/lock/5001'
const TAKE = `use Fcntl ':flock'; $| = 1; open my $f, '+<', '${LOCK}' or die; flock $f, LOCK_EX or die;`
const HELD_MS = 3000
const HOLDERS = 12

/** Holds alice's lock, then does as `perl` says. */
async function hold(box: Sandbox, perl: string): Promise<Running> {
  t.equal((await box.pamApp({ service: 'app', user: 'alice' })).open, 0)
  const holder = box.spawn(['perl', '-e', `${TAKE} print "held\\n"; ${perl}`])
  await holder.waitFor(/held/, 30_000)
  return holder
}

t.test('it is held by a process that has stopped: that is named within the limit', { skip }, async (t) => {
  await using box = await machine()
  const holder = await hold(box, "kill 'STOP', $$; sleep 600")
  const { pid } = await box.pidOf(holder)
  const refused = await box.pamApp({ service: 'app', user: 'alice' })
  t.not(refused.open, 0)
  t.ok(refused.openMs < AT_MOST_MS, `after ${Math.round(refused.openMs)} ms`)
  t.strictSame(
    { ...refused.opened, fds: null },
    { ...refused.before, fds: null },
    'the application is as it was',
  )
  t.match(
    await logged(box, /refused/),
    new RegExp(
      `: refused: the lock ${LOCK}: process ${pid} \\(perl\\) is stopped and holds it; let it go on, or end it$`,
    ),
  )
  t.equal((await box.pamApp({ service: 'app', user: 'bob' })).open, 0, 'that of another user is another')
})

t.test('it is held by one that works for ever', { skip }, async (t) => {
  await using box = await machine()
  const holder = await hold(box, 'sleep 600')
  const { pid } = await box.pidOf(holder)
  wasRefusedInTime(t, await box.pamApp({ service: 'app', user: 'alice' }))
  t.match(
    await logged(box, /refused/),
    new RegExp(`at: set up the session, wait for process ${pid} \\(perl\\) in flock '${LOCK}'$`),
  )
  const patient = await box.pamApp({ service: 'plain', user: 'alice' }, { timeoutMs: 90_000 })
  t.not(patient.open, 0)
  t.ok(patient.openMs > 29_000, `the lock's own limit: ${Math.round(patient.openMs)} ms`)
  t.match(
    await logged(box, /30 s/),
    new RegExp(`the lock ${LOCK}: process ${pid} \\(perl\\) has held it for 30 s`),
  )
})

t.test(
  'it is never free, but goes from one to the next: the login waits for its turn',
  { skip },
  async (t) => {
    await using box = await machine()
    // All of them through one open file, so that a next one has it from the last without a gap.
    const relay = `my $last = 0; for my $i (1 .. ${HOLDERS}) {
    my $pid = fork // die;
    if (!$pid) { flock $f, $i % 2 ? LOCK_SH : LOCK_EX or die; sleep 600 }
    select undef, undef, undef, ${HELD_MS / 1000};
    kill "KILL", $last if $last; waitpid $last, 0 if $last; $last = $pid;
  }
  kill 'KILL', $last; waitpid $last, 0`
    await hold(box, relay)
    const held = await box.pamApp({ service: 'plain', user: 'alice' }, { timeoutMs: 120_000 })
    t.equal(held.open, 0, 'it is let in')
    t.ok(held.openMs > 31_000, `after more than one may hold it: ${Math.round(held.openMs)} ms`)
  },
)
