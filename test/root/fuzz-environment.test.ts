/*
 * `polyns pam`, as it is built and through its launcher, with environments that no PAM application should give it: bytes, sizes,
 * names that come twice or not at all. It always ends soon, with a status that it has, and who is refused is left alone.
 */
import t from 'tap'
import { generator, pick, type Random, SEED } from '../fuzz/random.js'
import { installPolyns } from '../support/install.js'
import { needs } from '../support/needs.js'
import { Sandbox } from '../support/sandbox.js'

const skip = needs('root', 'layer', 'dist')
const CASES = Number(process.env.FUZZ_CASES ?? 200)
/** It takes 0.1 s; the machine may be busy. */
const AT_MOST_MS = 5000

const NAMES = [
  ...['PAM_TYPE', 'PAM_SERVICE', 'PAM_USER', 'PAM_RUSER', 'PAM_RHOST', 'PAM_TTY', 'XDG_SESSION_ID'],
  ...['XDG_SESSION_CLASS', 'SLURM_JOB_ID', 'SLURM_CONF', 'TERM', 'LANG', 'PATH'],
  ...[
    'NODE_OPTIONS',
    'LD_PRELOAD',
    'LD_LIBRARY_PATH',
    'BASH_ENV',
    'ENV',
    'IFS',
    'PS4',
    'PAM_X',
    '',
    'PAM',
    'X',
  ],
]
const VALUES = [
  ...['open_session', 'close_session', 'alice', 'root', 'nobody-of-that-name', 'slurm', 'greeter', '7', ''],
  ...[
    '..',
    '/',
    '-rf',
    '$(touch /srv/evil)',
    '`touch /srv/evil`',
    'a\nb',
    'x\x1b[2J',
    '%s%n',
    '\xff\xfe',
    '\u00e9',
  ],
  ...['--require=/srv/evil.js', '/srv/evil.so', '/srv/evil.sh', '() { :; }; touch /srv/evil', '='],
]
/** The longest string that execve(2) takes is 128 KiB with name and NUL. */
const LONGEST = 131_000

function value(random: Random): string {
  const one = pick(random, VALUES)
  if (random(15) === 0) return 'A'.repeat(LONGEST)
  if (random(15) === 0) return one.repeat(1 + random(2000)).slice(0, LONGEST)
  if (random(5) === 0)
    return String.fromCharCode(...Array.from({ length: random(40) }, () => 1 + random(255)))
  return one
}

/** Each string as it is handed to execve(2), one byte a character. */
function environment(random: Random): string[] {
  const list = random(4) === 0 ? [] : ['PAM_TYPE=open_session', 'PAM_SERVICE=app', 'PAM_USER=alice']
  for (let i = random(8); i > 0; i--)
    list.splice(random(list.length + 1), 0, `${pick(random, NAMES)}=${value(random)}`)
  if (random(6) === 0) list.splice(random(list.length + 1), random(2))
  if (random(10) === 0) list.push('no equals sign')
  if (random(20) === 0) list.push(...Array.from({ length: 2000 }, (_, i) => `N${i}=x`))
  return list
}

// An application that forks polyns for each line of the file and waits. Perl, which can hand execve(2) any bytes.
const APPLICATION = `
use strict; use Time::HiRes 'time';
my ($file, $execve) = @ARGV; $| = 1;
open my $in, '<', $file or die;
while (my $line = <$in>) {
  my @env = map { pack 'H*', $_ } split / /, substr($line, 0, -2);
  my $app = fork;
  if ($app == 0) {
    chdir '/srv'; my $before = readlink('/proc/self/ns/mnt'); my $start = time;
    my $pid = fork;
    if ($pid == 0) {
      my @argv = ('/usr/sbin/polyns', 'pam');
      open STDIN, '<', '/dev/null'; open STDOUT, '>', '/run/said'; open STDERR, '>&', \\*STDOUT;
      syscall($execve + 0, $argv[0], pack('p*', @argv, undef), pack('p*', @env, undef));
      require POSIX; POSIX::_exit(99);
    }
    waitpid $pid, 0;
    my $same = $before eq readlink('/proc/self/ns/mnt') && readlink('/proc/self/cwd') eq '/srv' ? 'same' : 'moved';
    printf "%d %d %d %s\\n", $? >> 8, $? & 127, (time - $start) * 1000, $same;
    require POSIX; POSIX::_exit(0);
  }
  waitpid $app, 0;
}
`

t.test('any environment: an end, a status, and nothing else', { skip, timeout: 110_000 }, async (t) => {
  await using box = await Sandbox.start()
  await installPolyns(box, '/tmp /tmp/inst/ user:noinit root\n')
  await box.sh('mount -t tmpfs -o mode=755 srv /srv')
  await box.write('/srv/evil.sh', 'touch /srv/evil\n')
  await box.write('/srv/evil.js', 'require("fs").writeFileSync("/srv/evil", "")\n')
  const cases = Array.from({ length: CASES }, (_, i) => environment(generator(SEED + i)))
  const hex = (one: string) => Buffer.from(one, 'latin1').toString('hex')
  await box.write('/run/cases', cases.map((env) => `${env.map(hex).join(' ')} \n`).join(''))
  await box.write('/run/application', APPLICATION)
  const execve = process.arch === 'x64' ? '59' : '221'
  const out = await box.sh(['perl', '/run/application', '/run/cases', execve], { timeoutMs: 100_000 })
  const results = out
    .trimEnd()
    .split('\n')
    .map((line) => line.split(' '))
  t.equal(results.length, CASES)
  const statuses: Record<string, number> = {}
  let slowest = 0
  for (const [i, [status = '', signal, ms, moved]] of results.entries()) {
    const what = () => `seed ${SEED + i}: ${JSON.stringify(cases[i]).slice(0, 500)}`
    statuses[status] = (statuses[status] ?? 0) + 1
    slowest = Math.max(slowest, Number(ms))
    if (signal !== '0' || !['0', '1', '2', '3', '4', '5'].includes(status))
      t.fail(`${status} ${signal} ${what()}`)
    if (Number(ms) > AT_MOST_MS) t.fail(`${ms} ms ${what()}`)
    if (moved === 'moved' && status !== '0') t.fail(`refused and moved, ${what()}`)
    const wantsAlice = last(cases[i] ?? [], 'PAM_USER') === 'alice'
    if (moved === 'moved' && !wantsAlice && status === '0' && last(cases[i] ?? [], 'PAM_USER') === 'root') {
      t.fail(`moved for root: ${what()}`)
    }
  }
  t.comment(`${CASES} environments, by status ${JSON.stringify(statuses)}, the slowest ${slowest} ms`)
  t.ok((statuses['0'] ?? 0) > CASES / 10, 'some of them are right')
  t.equal(await box.sh('ls /srv'), 'evil.js\nevil.sh\n', 'nothing of them was run')
  t.equal(await box.sh('cat /run/said'), '', 'nothing is written to the terminal')
})

function last(env: readonly string[], name: string): string | undefined {
  return env
    .filter((one) => one.startsWith(`${name}=`))
    .at(-1)
    ?.slice(name.length + 1)
}
