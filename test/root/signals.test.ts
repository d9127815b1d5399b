/*
 * An application that is stopped, signalled or filtered while it is moved. It is a Perl script, which makes no thread and
 * handles signals as a C program does. The helper runs under `strace -D`, which can hold it back at one of its ptrace calls:
 * `strace -f` is not its tracer's tracer, so nothing of the adoption changes.
 */
import t from 'tap'
import { installPolyns, POLYNS } from '../support/install.js'
import { needs } from '../support/needs.js'
import { sleep } from '../support/run.js'
import { type Running, Sandbox } from '../support/sandbox.js'
import { lastLogged } from './state.js'

const skip = needs('root', 'layer', 'dist')
const [x86, PRCTL, SETNS] = process.arch === 'x64' ? [true, 157, 308] : [false, 167, 268]
const AUDIT_ARCH = x86 ? 0xc000003e : 0xc00000b7

interface App {
  /** Perl that runs in the application, before it forks the helper or only while it waits for it. */
  before?: string
  waiting?: string
  /** What the helper runs under. */
  under?: string
  /** The user to open for. */
  user?: string
}

/** Prints `pid N`, what the handlers say, then `status N`, `ns mnt:[...]` and goes on until its stdin ends. */
const app = ({ before = '', waiting = '', under = '', user = 'alice' }: App) => [
  'perl',
  '-e',
  `$| = 1; ${before}; print "pid $$\\n";
  pipe(my $go, my $goes);
  unless ($helper = fork) {
    $SIG{$_} = 'DEFAULT' for qw(TERM USR1 USR2 HUP);
    close $goes; <$go>;
    @ENV{qw(PAM_TYPE PAM_SERVICE PAM_USER)} = ('open_session', 'app', '${user}');
    exec split ' ', '${under} ${POLYNS} pam';
  }
  ${waiting}; close $goes;
  waitpid $helper, 0; printf "status %d\\n", $? >> 8 || $?;
  print "ns ", readlink("/proc/self/ns/mnt"), "\\n"; <STDIN>`,
]

/** Holds the helper for half a second before its Nth ptrace call: 1 is SEIZE, from 6 on the application is stopped. */
const heldAt = (n: number) =>
  `strace -D -qq -o /dev/null -e trace=ptrace -e signal=none -e inject=ptrace:delay_enter=500000:when=${n}`

async function pidOf(running: Running): Promise<number> {
  return Number((await running.waitFor(/^pid (\d+)$/m))[1])
}

async function outcome(running: Running): Promise<{ status: number; mntNs: string; said: string }> {
  const [, said = '', status, mntNs = ''] = await running.waitFor(/^pid \d+\n(.*\n)?status (\d+)\nns (.*)\n/)
  return { status: Number(status), mntNs, said }
}

t.test('an application that is', { skip }, async (t) => {
  await using box = await Sandbox.start()
  await installPolyns(box)
  const hostPid = (pid: number) => box.processes().find((p) => p.pid === pid)?.hostPid ?? 0
  const status = async (pid: number, field: string) =>
    new RegExp(`^${field}:\\s*(.*)$`, 'm').exec(await box.read(`/proc/${pid}/status`))?.[1]
  const until = async (what: string, condition: () => Promise<boolean> | boolean) => {
    for (let i = 0; i < 500; i++) {
      if (await condition()) return
      await sleep(10)
    }
    throw new Error(`never ${what}`)
  }
  const end = async (running: Running) => {
    running.child.kill('SIGCONT') // nsenter stops with its child, but does not go on with it
    running.child.stdin?.end()
    return running.exited
  }
  const start = (options: App) => box.spawn(app(options), { input: 'pipe', timeoutMs: 20_000 })

  await t.test('sent a signal while it is held gets it afterwards, once', async (t) => {
    const running = start({ before: '$SIG{USR1} = sub { print "usr1\\n" }', under: heldAt(12) })
    const pid = await pidOf(running)
    await until('traced', async () => (await status(pid, 'TracerPid')) !== '0')
    await sleep(50)
    await box.sh(`kill -USR1 ${pid}`)
    const r = await outcome(running)
    t.equal(r.said, 'usr1\n')
    t.equal(r.status, 0)
    t.not(r.mntNs, box.host.mntNs)
    t.equal(await status(pid, 'SigBlk'), '0000000000000000')
    t.equal(await status(pid, 'TracerPid'), '0')
    await end(running)
  })

  await t.test('sent signals all the time is moved all the same', async (t) => {
    const running = start({ before: '$SIG{USR1} = sub { $n++ }; END { print "got $n\n" }' })
    const target = hostPid(await pidOf(running))
    while (!/^status/m.test(running.stdout)) {
      process.kill(target, 'SIGUSR1')
      await sleep(1)
    }
    const r = await outcome(running)
    t.equal(r.status, 0)
    t.not(r.mntNs, box.host.mntNs)
    await end(running)
    // Signals that come while another of theirs is pending are one, so how many arrive is not fixed.
    t.ok(Number(/^got (\d+)$/m.exec(running.stdout)?.[1]) > 0, running.stdout)
  })

  await t.test('ended by a signal while it is held ends, in no namespace at all', async (t) => {
    const running = start({ under: heldAt(12) })
    const pid = await pidOf(running)
    await until('traced', async () => (await status(pid, 'TracerPid')) !== '0')
    await box.sh(`kill -KILL ${pid}`)
    t.match(await running.exited, { stdout: /^pid \d+\n$/ })
    await until('over', () => box.processes().length === 0)
    t.match(await lastLogged(box), /refused: .*(has ended|ESRCH)/)
  })

  for (const [when, at] of [
    ['before it is held', 1],
    ['while it is held', 12],
  ] as const) {
    await t.test(`stopped ${when} is moved, and stays stopped`, async (t) => {
      const running = start({ under: heldAt(at) })
      const pid = await pidOf(running)
      if (at > 1) await until('traced', async () => (await status(pid, 'TracerPid')) !== '0')
      else await until('waiting', () => box.processes().some((p) => p.command.includes('start.cjs')))
      await box.sh(`kill -STOP ${pid}`)
      await until('moved', () => box.mntNs(pid) !== box.host.mntNs)
      await until('let go', async () => (await status(pid, 'TracerPid')) === '0')
      await sleep(100)
      t.match(await status(pid, 'State'), /^T \(stopped\)/)
      t.notMatch(running.stdout, 'status')
      await box.sh(`kill -CONT ${pid}`)
      t.match(await outcome(running), { status: 0, mntNs: box.mntNs(pid) })
      await end(running)
    })
  }

  await t.test('under a seccomp filter of its own that forbids setns is moved', async (t) => {
    const running = start({ waiting: seccomp() })
    const pid = await pidOf(running)
    const r = await outcome(running)
    t.equal(r.status, 0)
    t.not(r.mntNs, box.host.mntNs)
    t.equal(await status(pid, 'Seccomp'), '2', 'and is under it still')
    await end(running)
  })
  await t.test('under one that the helper inherits is refused, and stays where it was', async (t) => {
    const running = start({ before: seccomp() })
    t.same(await outcome(running), { status: 4, mntNs: box.host.mntNs, said: '' })
    t.match(await lastLogged(box), /refused: .*setns\(.*= EPERM/)
    await end(running)
  })
  t.same(box.processes(), [])
})

/** Perl that makes setns(2) fail with EPERM from here on, and everything else as ever. */
function seccomp(): string {
  // struct sock_filter: code, jt, jf, k. Load the architecture; is it ours? Load the number; is it setns?
  const filter = [
    [0x20, 0, 0, 4],
    [0x15, 0, 3, AUDIT_ARCH],
    [0x20, 0, 0, 0],
    [0x15, 0, 1, SETNS],
    [0x06, 0, 0, 0x0005_0001], // SECCOMP_RET_ERRNO | EPERM
    [0x06, 0, 0, 0x7fff_0000], // SECCOMP_RET_ALLOW
  ]
  const code = filter.map((one) => `pack("SCCL", ${one.join(', ')})`).join(' . ')
  // PR_SET_SECCOMP, SECCOMP_MODE_FILTER, struct sock_fprog
  return `my $code = ${code}; syscall(${PRCTL}, 22, 2, pack("S x6 P", ${filter.length}, $code)) == 0 or die "seccomp: $!"`
}
