/* A host with 2,500 mounts besides its own, and one where not a single mount more is possible. */
import t from 'tap'
import { doctor } from '../support/doctor.js'
import { installPolyns, PAM_LINE, POLYNS } from '../support/install.js'
import { plainStack } from '../support/logins.js'
import { needs } from '../support/needs.js'
import { Sandbox } from '../support/sandbox.js'
import { lastLogged, settled, wasRefused } from './state.js'

const skip = needs('root', 'layer', 'dist')
const COUNT = 2500
const MOUNT = process.arch === 'x64' ? 165 : 40 // mount(2); the command reads the whole table each time

/** Perl that mounts so many empty file systems below /srv/many. */
const MANY = `for my $i (1 .. ${COUNT}) {
  mkdir my $at = "/srv/many/$i";
  my ($what, $type) = ("many", "tmpfs");
  syscall(${MOUNT}, $what, $at, $type, 0, 0) == 0 or die "$at: $!";
}`

async function machine(): Promise<Sandbox> {
  const box = await Sandbox.start()
  await installPolyns(box, '/tmp /tmp/inst/ user:noinit root\n')
  await box.pam('app', plainStack([PAM_LINE]))
  return box
}
const alice = { service: 'app', user: 'alice' }
const SEEN = `grep -c ' /srv/many/' /proc/self/mountinfo`

t.test(`${COUNT} mounts of the host`, { skip, timeout: 300_000 }, async (t) => {
  await using box = await machine()
  await box.sh(`${POLYNS} setup; mkdir -p /srv/many`)
  const few = await box.pamApp(alice)
  await box.sh(['perl', '-e', MANY])
  const built = await box.pamHold({ ...alice, command: SEEN })
  t.match(built.report, { open: 0, command: { stdout: `${COUNT}\n` } }, 'the session sees them')
  const joined = await box.pamApp({ ...alice, command: SEEN })
  t.match(joined, { open: 0, close: 0, opened: { mntNs: built.report.opened.mntNs } })
  t.equal(joined.command?.stdout, `${COUNT}\n`)
  await box.sh('mkdir /srv/late; mount -t tmpfs late /srv/late')
  t.match(
    await box.sh(`nsenter -t ${built.pid} -m findmnt -n /srv/late`),
    /late/,
    'and one that is made later',
  )

  const ms = (value: number | undefined) => `${Math.round(value ?? 0)} ms`
  t.comment(
    `built ${ms(few.openMs)} without them, ${ms(built.report.openMs)} with; joined ${ms(joined.openMs)}; closed ${ms(joined.closeMs)}`,
  )
  for (const command of ['list', `inspect ${built.pid}`, 'metrics', 'mount /srv/late', 'reap']) {
    const start = performance.now()
    const r = await box.run(`${POLYNS} ${command}`, { timeoutMs: 120_000 })
    t.match(r, { status: 0, stderr: /^$/ }, command)
    t.comment(`${command}: ${ms(performance.now() - start)}`)
  }
  const start = performance.now()
  const { found } = await doctor(box)
  t.comment(`doctor: ${ms(performance.now() - start)}`)
  t.same(
    found.filter(({ severity, saw }) => severity !== 'ok' && saw.includes('/srv/many')),
    [],
  )
  t.match(await built.close(), { close: 0 })
})

/**
 * Perl that fills the mount table up to fs.mount-max, doubling it: a recursive bind of all that is in /srv/many. Only this
 * namespace: the limit, which is everybody's, stays what it is.
 */
const FULL = `sub bind_all { my ($from, $to, $none) = (@_, "none"); mkdir $to; syscall(${MOUNT}, $from, $to, $none, 0x5000, 0) == 0 }
my $n = 0;
for my $dir (1 .. 40) { mkdir "/srv/many/d$dir" }
$n++ while bind_all("/srv/many", "/srv/many/d" . ($n + 1));
for my $size (reverse 1 .. $n) { my $i = 0; $i++ while $i < 3 && bind_all("/srv/many/d$size", "/srv/rest/d$size") }
my $i = 0; $i++ while bind_all("/srv/one", "/srv/one");
print "$n\\n"; $! == 28 or die $!;`

t.test('fs.mount-max is reached', { skip, timeout: 300_000 }, async (t) => {
  await using box = await machine()
  await box.pamApp(alice)
  const held = await box.pamHold({ ...alice, user: 'bob' })
  await box.sh(`mkdir -p /srv/many /srv/rest /srv/one; mount -t tmpfs many /srv/many; mount -t tmpfs rest /srv/rest
    mount --make-rprivate /srv/many; mount --make-rprivate /srv/rest; mount --bind /srv/one /srv/one; mount --make-private /srv/one
    mkdir /srv/rest/d{1..40}`)
  const start = performance.now()
  await box.sh(['perl', '-e', FULL], { timeoutMs: 60_000 })
  t.comment(
    `${(await box.sh('wc -l </proc/self/mountinfo')).trim()} mounts in ${Math.round(performance.now() - start)} ms`,
  )
  const refused = await box.pamApp(alice, { timeoutMs: 120_000 })
  t.comment(`refused after ${Math.round(refused.openMs)} ms`)
  t.same(...wasRefused(refused))
  t.match(await lastLogged(box), /fs\.mount-max/)
  t.match(await held.close(), { close: 0 }, 'a session that is open ends')
  await box.sh('umount -l /srv/many /srv/rest; while umount -l /srv/one 2>/dev/null; do :; done', {
    timeoutMs: 120_000,
  })
  t.match(await box.pamApp(alice), { open: 0, close: 0 }, 'and with room there again, logins work')
  t.same((await settled(box)).processes, [])
})
