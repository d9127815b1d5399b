/*
 * The end of a session: the launcher waits for a child, and one that SIGTERM has ended is started again. The application is a Perl
 * script, which has polyns called as pam_exec calls it, and signals the child at a moment of the test's choosing.
 */
import t, { type Test } from 'tap'
import { installPolyns, POLYNS } from '../support/install.js'
import { needs } from '../support/needs.js'
import { Sandbox } from '../support/sandbox.js'
import { logged } from './state.js'

const skip = needs('root', 'layer', 'dist')
const HOOK = '/etc/polyns/session.d/close/10W-note'
const NOTE = 'echo hook >>/run/hooks'
const LAUNCHER_TRIES = 5

interface Closing {
  /** Perl, in which `child` waits for the next child of the launcher and gives its pid, and `pause MS` does that. */
  signals: string
  /** Perl that runs between the session's begin and end. */
  before?: string
  /** Perl that runs in what becomes the launcher. */
  inherit?: string
  /** The close hook. */
  hook?: string
  /** What is called instead of polyns. */
  launcher?: string
}

interface Seen {
  /** As wait(2) has it. */
  status: number
  /** The different children that the launcher was seen to have. */
  children: number
  hooks: number
  counted: number
  /** Lines that say that the session is closed. */
  told: number
  /** What is left of the session: records, and its directory. */
  left: string
}

const app = ({ signals, before = '', inherit = '', launcher = POLYNS }: Closing) => `
use strict;
use POSIX qw(:signal_h :sys_wait_h);
my ($helper, %seen);
sub pause { select undef, undef, undef, $_[0] / 1000 }
sub children { open my $f, '<', "/proc/$helper/task/$helper/children" or return (); split ' ', <$f> // '' }
sub child {
  for (1..20000) {
    for (children()) { return $_ if !$seen{$_}++ }
    pause 0.5;
  }
  die 'the launcher has no child';
}
sub polyns {
  my ($type, $then) = @_;
  %seen = ();
  $helper = fork;
  unless ($helper) {
    ${inherit};
    exec 'env', '-i', 'PAM_SERVICE=app', 'PAM_USER=alice', "PAM_TYPE=$type", '${launcher}', 'pam';
  }
  $then->();
  # The last children too are to be counted.
  until (waitpid $helper, WNOHANG) { $seen{$_}++ for children(); pause 1 }
  return $?;
}
polyns('open_session', sub {}) == 0 or die 'not opened';
${before};
printf "status %d", polyns('close_session', sub { ${signals} });
printf " children %d\\n", scalar keys %seen;
`

t.test('a close whose process is sent', { skip }, async (t) => {
  await using box = await Sandbox.start()
  await installPolyns(box, '/tmp /tmp/polyns-inst/ tmpdir:noinit root\n')

  const close = async (closing: Closing): Promise<Seen> => {
    await box.sh('rm -rf /run/hooks /run/polyns/tally /run/polyns/sessions/* /tmp/polyns-inst/*')
    await box.write(HOOK, `#!/bin/sh\n${closing.hook ?? NOTE}\n`, 0o755)
    const from = (await logged(box)).length
    const out = await box.sh(['perl', '-e', app(closing)])
    const [, status, children] = /^status (\d+) children (\d+)\n$/.exec(out) ?? []
    const count = async (file: string, word: string) =>
      Number((await box.run(`grep -cx ${word} ${file}`)).stdout || 0)
    return {
      status: Number(status),
      children: Number(children),
      hooks: await count('/run/hooks', 'hook'),
      counted: await count('/run/polyns/tally', 'closed'),
      told: (await logged(box, from)).filter((line) => / closed, removed /.test(line)).length,
      left: await box.sh('ls -A /run/polyns/sessions /tmp/polyns-inst | grep -v :$ || :'),
    }
  }
  const whole = { status: 0, hooks: 1, counted: 1, told: 1, left: '\n' }
  const KILLED = 137 << 8
  const ENDED = 143 << 8

  await t.test('nothing ends at once', async (t) => {
    t.same(await close({ signals: '' }), { ...whole, children: 1 })
  })
  for (let ms = 0; ms <= 60; ms += 4) {
    await t.test(`SIGTERM after ${ms} ms is whole all the same`, async (t) => {
      const { children, ...seen } = await close({ signals: `my $c = child; pause ${ms}; kill TERM => $c` })
      t.same(seen, whole)
      t.ok(children <= 2)
    })
  }
  await t.test('SIGTERM before anything of it runs, while the application has that blocked', async (t) => {
    const block = 'sigprocmask(SIG_BLOCK, POSIX::SigSet->new(SIGTERM))'
    t.same(await close({ before: block, signals: 'kill TERM => $helper' }), { ...whole, children: 1 })
    const both = 'kill TERM => $helper; kill TERM => child()'
    t.same(await close({ before: block, signals: both }), { ...whole, children: 2 }, 'and again')
  })
  await t.test('SIGTERM by an application that has SIGCHLD ignored', async (t) => {
    // Inherited, so that nobody is told how a child ended.
    const inherit = "$SIG{CHLD} = 'IGNORE'"
    t.same(await close({ inherit, signals: 'kill TERM => child()' }), { ...whole, children: 2 })
  })
  await t.test('SIGTERM as often as it is started', async (t) => {
    const signals = `kill TERM => child() for 1..${LAUNCHER_TRIES}`
    const { status, children } = await close({ signals })
    t.equal(status, ENDED)
    t.equal(children, LAUNCHER_TRIES, 'is not started for ever')
  })
  await t.test('SIGTERM while a hook runs', async (t) => {
    const hook = `${NOTE}; grep SigIgn /proc/$$/status >/run/ignored; touch /run/hooked; sleep 0.5`
    const signals = 'my $c = child; pause 5 until -e "/run/hooked"; kill TERM => $c'
    t.same(await close({ hook, signals }), { ...whole, children: 1 }, 'is ignored')
    const ignored = BigInt(`0x${(await box.sh('cat /run/ignored')).split('\t')[1]?.trim()}`)
    t.equal(ignored & (1n << 14n), 0n, 'but not by the hook')
  })
  await t.test('SIGTERM after the hooks, while a process still has the directory', async (t) => {
    const before = `my $busy = fork; exec 'sleep', '100' unless $busy`
    const signals = `my $c = child; pause 5 until -s "/run/hooks"; pause 100; kill TERM => $c;
      pause 100; kill KILL => $busy; waitpid $busy, 0`
    t.same(await close({ before, signals }), { ...whole, children: 1 })
  })
  await t.test('SIGKILL while a hook runs leaves no more than reap takes away', async (t) => {
    const hook = `${NOTE}; touch /run/at; sleep 0.5`
    const signals = 'my $c = child; pause 5 until -e "/run/at"; kill KILL => $c'
    t.match(await close({ hook, signals }), { status: KILLED, hooks: 1, told: 0, left: /\.json\n/ })
    await box.sh(`sleep 0.5; ${POLYNS} reap`)
    t.equal(await box.sh('ls -A /run/polyns/sessions /tmp/polyns-inst | grep -v :$ || :'), '\n')
  })
  await t.test('nothing by another copy of the launcher is whole too', async (t) => {
    await box.sh(
      'mkdir /run/copy; cp /opt/polyns/bin/polyns /run/copy; ln -s /opt/polyns/bin/polyns.sh /run/copy',
    )
    t.same(await close({ launcher: '/run/copy/polyns', signals: '' }), { ...whole, children: 1 })
  })
  await t.test('nothing, but whose launcher is replaced meanwhile, is whole too', async (t) => {
    await box.sh(
      'mkdir /run/tree; cd /opt/polyns; cp -a bin dist /run/tree; ln -s /opt/polyns/node_modules /run/tree',
    )
    const signals =
      'child; system q(cp /run/tree/bin/polyns /run/new; echo >>/run/new; mv /run/new /run/tree/bin/polyns)'
    const hook = `${NOTE}; sleep 0.2`
    t.same(await close({ launcher: '/run/tree/bin/polyns', hook, signals }), { ...whole, children: 1 })
  })
  for (const signal of ['KILL', 'HUP', 'ALRM']) {
    await t.test(`SIG${signal} has failed, and is not started again`, async (t) => {
      const seen = await close({ signals: `kill ${signal} => child()` })
      const status = { KILL: KILLED, HUP: 129 << 8, ALRM: 142 << 8 }[signal]
      t.match(seen, { status, children: 1, hooks: 0, counted: 0, told: 0, left: /\.json/ })
    })
  }
  await t.test('SIGTERM: only its process, not the launcher’s', async (t) => {
    const signals = 'my $c = child; kill TERM => $helper; pause 5'
    t.same(await close({ signals }), { ...whole, children: 1 }, 'which has all signals blocked')
  })
})

t.test('the begin of a session waits for nobody', { skip }, async (t: Test) => {
  await using box = await Sandbox.start()
  await box.write('/run/a/polyns.sh', '#!/bin/sh\ncat /proc/$PPID/comm\n', 0o755)
  await box.sh('cp /opt/polyns/bin/polyns /run/a')
  const parentOf = (type: string) =>
    box.sh(`env -i PAM_SERVICE=app PAM_USER=alice PAM_TYPE=${type} /run/a/polyns; :`)
  t.not(await parentOf('open_session'), 'polyns\n')
  t.equal(await parentOf('close_session'), 'polyns\n')
})
