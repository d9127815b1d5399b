/*
 * A seccomp filter that the service was started with, as SystemCallFilter= in its unit makes it: polyns has it too. One that lets
 * the calls through is no hindrance; one that does not refuses the session by name, and the application stays as it was.
 */
import t from 'tap'
import { syscallNumber } from '../../src/sys/arch.js'
import { installPolyns, PAM_LINE, POLYNS, TMP_AND_SHM } from '../support/install.js'
import { needs } from '../support/needs.js'
import { Sandbox } from '../support/sandbox.js'
import { lastLogged } from './state.js'

const skip = needs('root', 'layer', 'dist')

const AUDIT_ARCH = process.arch === 'arm64' ? 0xc000_00b7 : 0xc000_003e
const PRCTL = syscallNumber('prctl')
const ALLOW = 0x7fff_0000
const KILL = 0x8000_0000
const EPERM = 0x0005_0001 // SECCOMP_RET_ERRNO | EPERM

type Call = Parameters<typeof syscallNumber>[0]

/** Perl that installs a filter which has this answer to one call, and lets all others pass. */
function filter(call: Call, answer: number): string {
  // struct sock_filter: code, jt, jf, k. Load the architecture; is it ours? Load the number; is it that call's?
  const program = [
    [0x20, 0, 0, 4],
    [0x15, 0, 3, AUDIT_ARCH],
    [0x20, 0, 0, 0],
    [0x15, 0, 1, syscallNumber(call)],
    [0x06, 0, 0, answer],
    [0x06, 0, 0, ALLOW],
  ]
  const code = program.map((one) => `pack("SCCL", ${one.join(', ')})`).join(' . ')
  // PR_SET_SECCOMP, SECCOMP_MODE_FILTER, struct sock_fprog
  return `my $code = ${code}; syscall(${PRCTL}, 22, 2, pack("S x6 P", ${program.length}, $code)) == 0 or die "seccomp: $!";`
}

interface Filters {
  /** The helper has it too. */
  before?: string
  /** Only the application has it, which waits for the helper already. */
  waiting?: string
}

/** An application in a directory of the host's that opens a session, and what it is after that: status, namespace, cwd, fds. */
async function open(box: Sandbox, { before = '', waiting = '' }: Filters) {
  const env = '$ENV{PAM_TYPE} = "open_session"; $ENV{PAM_SERVICE} = "filtered"; $ENV{PAM_USER} = "alice";'
  const fds = 'opendir(my $d, "/proc/self/fd"); my @fds = sort grep { /\\d/ } readdir $d; closedir $d;'
  await box.write(
    '/root/app.pl',
    `chdir "/srv/dir"; {; ${before} } ${fds} my $had = "@fds";
my $pid = fork; if ($pid == 0) { ${env} exec "${POLYNS}", "pam" }
{; ${waiting} } waitpid $pid, 0; my $status = $?;
opendir(my $again, "/proc/self/fd"); @fds = sort grep { /\\d/ } readdir $again; closedir $again;
print "status ", $status >> 8, " signal ", $status & 127, "\\n", readlink "/proc/self/ns/mnt", "\\n", readlink "/proc/self/cwd", "\\n";
print(($had eq "@fds") ? "same" : "$had, then @fds"); print "\\n";`,
  )
  await box.sh('mkdir -p /srv/dir; rm -f /run/polyns/sessions/*')
  const { status, signal, stdout } = await box.run(['perl', '/root/app.pl'])
  const [helper = '', mntNs = '', cwd = '', descriptors = ''] = stdout.split('\n')
  const records = (await box.sh('ls -A /run/polyns/sessions 2>/dev/null || true')).trim()
  return { ended: `${status} ${signal}`, helper, mntNs, cwd, descriptors, records }
}

/** The application as it is without a session. */
const untouched = (box: Sandbox) => ({
  ended: '0 null',
  mntNs: box.host.mntNs,
  cwd: '/srv/dir',
  descriptors: 'same',
  records: '',
})

async function host(): Promise<Sandbox> {
  const box = await Sandbox.start()
  await installPolyns(box, TMP_AND_SHM)
  await box.sh(`${POLYNS} setup`)
  return box
}

t.test('sshd under a filter', { skip }, async (t) => {
  await using box = await host()
  const script = (filter: string) => `${filter}\nexec @ARGV`
  await box.write('/root/filtered.pl', script(filter('setns', ALLOW)))
  await box.sh('mkdir -p /run/sshd')
  const plain = await box.startSshd({ pamLines: [PAM_LINE] })
  t.match(await box.ssh('alice', 'true'), { status: 0 })
  await box.end(plain)

  const start = () => box.spawn(['perl', '/root/filtered.pl', '/usr/sbin/sshd', '-D'])
  const login = async () => {
    const command = 'grep ^Seccomp: /proc/self/status; ls -A /tmp; readlink /proc/self/ns/mnt'
    let said = await box.ssh('alice', command)
    for (let i = 0; i < 300 && /refused/.test(said.stderr); i++) said = await box.ssh('alice', command)
    return said
  }
  const allows = start()
  const r = await login()
  t.match(r, { status: 0, stdout: /^Seccomp:\s2\nmnt:/ }, 'that lets everything pass: an empty /tmp')
  t.notMatch(r.stdout, box.host.mntNs)
  await box.end(allows)

  await box.write('/root/filtered.pl', script(filter('setns', EPERM)))
  const forbids = start()
  t.not((await login()).status, 0)
  t.match(
    (await box.syslog()).join('\n'),
    /sshd: open_session of alice: refused: opening a session: a seccomp filter .*SystemCallFilter=.* answers setns\(2\) = EPERM: allow @process there/,
  )
  await box.end(forbids)
})

t.test('an application under a filter', { skip }, async (t) => {
  await using box = await host()

  const moved = await open(box, { before: filter('setns', ALLOW) })
  t.match(moved, {
    ended: '0 null',
    helper: 'status 0 signal 0',
    cwd: '/srv/dir',
    descriptors: 'same',
    records: /./,
  })
  t.not(moved.mntNs, box.host.mntNs)

  for (const call of ['setns', 'unshare', 'pidfd_getfd', 'fchdir', 'fsopen', 'ptrace'] as const) {
    t.match(
      await open(box, { before: filter(call, EPERM) }),
      { ...untouched(box), helper: 'status 4 signal 0' },
      `${call} is forbidden`,
    )
    t.match(
      await lastLogged(box),
      new RegExp(`refused: .* answers ${call}\\(2\\) = EPERM: allow @[\\w-]+ there`),
    )
  }
  t.match(
    await open(box, { before: filter('pidfd_getfd', KILL) }),
    { ...untouched(box), helper: /signal 31|status 159/ },
    'one that kills ends the helper, and not the application',
  )

  // The helper has another one, so it may not suspend that of the application, and cannot know what that forbids.
  const before = filter('setns', ALLOW)
  for (const call of ['setns', 'unshare', 'pidfd_open', 'pidfd_getfd'] as const) {
    t.match(
      await open(box, { before, waiting: filter(call, EPERM) }),
      { ...untouched(box), helper: 'status 4 signal 0' },
      `${call} is forbidden to the application alone`,
    )
    t.match(
      await lastLogged(box),
      new RegExp(`refused: .* may forbid ${call} to it.*because .*${call}\\(.* = EPERM`),
    )
  }
  const killed = await open(box, { before, waiting: filter('setns', KILL) })
  t.match(killed, { ended: /^null SIG(SYS|KILL)$/, records: '' }, 'what kills it for a call of ours does so')

  const fdless = await open(box, { before, waiting: filter('fchdir', EPERM) })
  t.match(fdless, { helper: 'status 0 signal 0', cwd: '/', descriptors: 'same' })
  t.not(fdless.mntNs, box.host.mntNs)

  const suspended = await open(box, { waiting: filter('setns', EPERM) })
  t.match(
    suspended,
    { helper: 'status 0 signal 0', descriptors: 'same' },
    'one that the helper has not is suspended',
  )
  t.not(suspended.mntNs, box.host.mntNs)
})
