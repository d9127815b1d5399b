/* bin/polyns and the script it starts: nothing that the user who logs in can say decides what is run as root. */
import t, { type Test } from 'tap'
import { installPolyns, PAM_LINE, POLYNS } from '../support/install.js'
import { plainStack } from '../support/logins.js'
import { needs } from '../support/needs.js'
import { Sandbox } from '../support/sandbox.js'
import { lastLogged, shellApp } from './state.js'

const skip = needs('root', 'layer', 'dist')

t.test('the launcher', { skip }, async (t) => {
  await using box = await Sandbox.start()
  await installPolyns(box)
  await box.pam('app', plainStack([PAM_LINE]))
  // What each hostile variable would run, were it heeded, leaves a mark.
  await box.write('/home/alice/evil.js', `require('fs').writeFileSync('/run/evil', process.argv.join(' '))\n`)
  await box.write('/home/alice/evil.sh', 'echo evil >>/run/evil\n', 0o755)
  await box.write('/home/alice/bin/node', '#!/bin/sh\necho evil >>/run/evil\n', 0o755)
  await box.sh(
    'cp /home/alice/bin/node /home/alice/bin/env; cp /home/alice/bin/node /home/alice/bin/readlink',
  )
  const noEvil = async (t: Test) =>
    t.match(await box.run('ls /run | grep evil'), { status: 1, stdout: '' }, 'none of it ran')

  const hostile: Record<string, string> = {
    NODE_OPTIONS: '--require /home/alice/evil.js',
    NODE_PATH: '/home/alice',
    NODE_EXTRA_CA_CERTS: '/etc/shadow',
    NODE_V8_COVERAGE: '/run/evil',
    NODE_REPL_EXTERNAL_MODULE: '/home/alice/evil.js',
    OPENSSL_CONF: '/home/alice/evil.sh',
    LD_LIBRARY_PATH: '/home/alice',
    PS4: '$(/home/alice/evil.sh)',
    SHELLOPTS: 'xtrace',
    ENV: '/home/alice/evil.sh',
    BASH_ENV: '/home/alice/evil.sh',
    IFS: '/',
    PATH: '/home/alice/bin',
    HOME: '/home/alice',
    TMPDIR: '/home/alice',
    'BASH_FUNC_exec%%': '() { /home/alice/evil.sh; }',
    PAM_USER: 'bob',
    PAM_TYPE: 'close_session',
    PAM_SERVICE: 'forged',
    LANG: 'x\nPAM_USER=bob',
    TERM: '$(/home/alice/evil.sh)`/home/alice/evil.sh`',
    XDG_SESSION_ID: '1 --fail-open',
    SLURM_JOB_ID: '1\nSLURM_JOB_ID=2',
  }

  // The loader of the shell that plays the application would obey it too: only by pam_exec.
  const loader = { LD_DEBUG: 'libs', LD_DEBUG_OUTPUT: '/run/evil' }

  await t.test('takes no hostile PAM environment for an order', async (t) => {
    const r = await box.pamApp({ service: 'app', user: 'alice', env: { ...hostile, ...loader } })
    t.equal(r.open, 0)
    t.match(r.opened.mounts.join('\n'), ' /tmp/polyns-inst/alice /tmp ')
    await noEvil(t)
  })
  for (const [name, value] of Object.entries(hostile)) {
    if (/^PAM_|^PATH$/.test(name)) continue
    await t.test(`nor ${name} by itself`, async (t) => {
      const r = await shellApp(box, { PAM_USER: 'alice', [name]: value })
      t.equal(r.status, 0)
      t.not(r.mntNs, box.host.mntNs)
      await noEvil(t)
    })
  }
  await t.test('hands on what it must, as it is', async (t) => {
    const values = { PAM_USER: 'a b\'"$(id)\n*', PAM_SERVICE: '-x "y"', PAM_RHOST: '\\n' }
    t.match(await shellApp(box, values), { status: 5 })
    t.match(
      await lastLogged(box),
      `-x "y": open_session of a b'"$(id)\\x0a*: refused: user 'a b'"$(id)\\x0a*': `,
    )
  })
  await t.test('works without any environment, and through symbolic links', async (t) => {
    const open = 'env -i PAM_TYPE=open_session PAM_USER=alice'
    await box.sh(
      `ln -s ${POLYNS} /run/link; ln -s link /run/link2; mkdir /run/dir; ln -s ../link2 /run/dir/polyns`,
    )
    for (const path of [
      POLYNS,
      '/opt/polyns/bin/polyns',
      '/opt/polyns/bin/polyns.sh',
      '/run/link2',
      '/run/dir/polyns',
    ]) {
      t.match(await box.run(['sh', '-c', `${open} ${path} pam; exit $?`]), { status: 0 }, path)
    }
    t.match(await box.run(`cd /run/dir && ./polyns --version`), { status: 0, stdout: /^\d+\.\d+\.\d+\n$/ })
    t.match(await box.run(`cd /opt/polyns/bin && sh polyns.sh --version`), { status: 0 })
    t.match(await box.run('polyns --version'), { status: 0 }, 'and by PATH')
  })
  await t.test('writes nothing to the user’s terminal at a login', async (t) => {
    for (const [user, status] of [
      ['alice', 0],
      ['nobody-knows', 5],
    ] as const) {
      const env = { PAM_TYPE: 'open_session', PAM_USER: user }
      t.same(await box.run(['sh', '-c', `${POLYNS} pam; exit $?`], { env }), {
        status,
        signal: null,
        stdout: '',
        stderr: '',
        timedOut: false,
        heldOpen: false,
      })
    }
  })
  await t.test('does not look for Node in PATH at a login', async (t) => {
    const under = 'env PATH=/home/alice/bin'
    t.match(await shellApp(box, { PAM_USER: 'alice' }, { under }), { status: 0 })
    await box.sh(
      'for n in /usr/bin/node /usr/local/bin/node; do [ ! -e $n ] || mount --bind /dev/null $n; done',
    )
    t.same(await shellApp(box, { PAM_USER: 'alice' }, { under }), { status: 4, mntNs: box.host.mntNs })
    await noEvil(t)
  })
})

t.test('what pam_exec hands on, and the launcher lets through', { skip }, async (t) => {
  await using box = await Sandbox.start()
  const tell = (where: string) =>
    `#!/bin/sh\n{ /usr/bin/tr '\\0' '\\n' </proc/$$/environ; printf '[%s]' "$0" "$@"; } >/run/${where}\n`
  await box.write('/run/all', tell('all.told'), 0o755)
  await box.write('/run/of us/polyns.sh', tell('ours.told'), 0o755)
  await box.sh("cp /opt/polyns/bin/polyns '/run/of us'; ln -s '/run/of us/polyns' /run/ours")
  await box.pam(
    'app',
    plainStack(['/run/all', '/run/ours "a b" c'].map((what) => `session required pam_exec.so ${what}`)),
  )
  const told = async (who: string) => (await box.read(`/run/${who}.told`)).split('\n')

  const own = {
    PAM_RUSER: 'root',
    PAM_USER: 'bob',
    PAM_TTY: 'forged',
    PAM_SERVICE: 'forged',
    PAM_XX: 'forged',
  }
  const kept = {
    XDG_SESSION_ID: '7',
    SLURM_JOB_ID: '8',
    SLURMD_NODENAME: 'n',
    TERM: 'xterm',
    NO_COLOR: '',
  }
  const gone = {
    LD_PRELOAD: '',
    LD_AUDIT: '',
    GLIBC_TUNABLES: 'x',
    PATH: '/home/alice',
    HOME: '/',
    LANG: 'C',
    POLYNS_NOFILE: '1',
    TERMINAL: '',
    XDG_SESSIO: '',
    XDG_SESSION_IDS: '',
    SLURM_JOB_ID_X: '',
    SLURM_X: '',
  }
  const item = { rhost: 'far' }
  await box.pamApp({
    service: 'app',
    user: 'alice',
    ...item,
    env: { ...own, ...gone, ...kept },
    close: false,
  })
  const PAM = ['PAM_SERVICE=app', 'PAM_USER=alice', 'PAM_RHOST=far', 'PAM_TYPE=open_session']
  const all = await told('all')
  const at = all.indexOf('PAM_SERVICE=app')
  t.same(all.slice(at, -1), PAM, 'pam_exec puts its items at the end, PAM_SERVICE first')
  t.ok(all.slice(0, at).includes('PAM_RUSER=root'), 'behind what the user has set')
  t.ok(all.slice(0, at).includes('PAM_SERVICE=forged'))

  const ours = await told('ours')
  const set = Object.entries(kept).map(([name, value]) => `${name}=${value}`)
  t.match(ours[0], /^POLYNS_NOFILE=\d\d+$/, 'the limit of open files, before all else')
  t.same(
    ours.slice(1, -1).sort(),
    [...PAM, ...set].sort(),
    'of the user’s own only what polyns reads, and no item',
  )
  const byHand = ['PAM_RUSER=bob', 'PAM_USER=alice', 'PAM_SERVICE=app', 'PAM_TYPE=open_session']
  await box.sh(`ulimit -Sn 97; env -i ${byHand.join(' ')} /run/ours`)
  t.same(
    (await told('ours')).slice(0, -1),
    ['POLYNS_NOFILE=97', ...byHand],
    'in another order, as a shell may have it, all items count',
  )
  t.equal(ours.at(-1), '[/run/of us/polyns.sh]["a][b"][c]', 'the words as pam_exec has them')
})

t.test('a launcher that cannot start the script', { skip }, async (t) => {
  await using box = await Sandbox.start()
  await box.sh('mkdir /run/a; cp /opt/polyns/bin/polyns /run/a; mkdir /tmp/deep')
  const cannot = (what: RegExp) => ({ status: 4, stdout: '', stderr: what })
  const NO_START =
    /^polyns: cannot start polyns-node or polyns.sh, one of which belongs beside this program\n$/
  const NO_PATH = /^polyns: cannot read \/proc\/self\/exe\n$/
  t.match(await box.run('/run/a/polyns pam'), cannot(NO_START), 'it is not there')
  await box.write('/run/a/polyns.sh', '', 0o755)
  t.match(await box.run('/run/a/polyns pam'), cannot(NO_START), 'it is empty')
  await box.write('/run/a/polyns.sh', '#!/bin/sh\nexit 7\n', 0o755)
  t.match(await box.run('/run/a/polyns pam'), { status: 7 })
  await box.write('/run/a/polyns-node', '#!/bin/sh\nexit 8\n', 0o755)
  t.match(await box.run('/run/a/polyns pam'), { status: 8 }, 'the executable comes before the script')
  await box.sh('chmod 644 /run/a/polyns-node')
  t.match(
    await box.run('/run/a/polyns pam'),
    cannot(NO_START),
    'and where it is there, the script is not tried',
  )
  await box.write('/run/a/polyns-node', '', 0o755)
  t.match(await box.run('/run/a/polyns pam'), cannot(NO_START), 'nor if it is empty')
  await box.sh('rm /run/a/polyns-node')
  t.match(
    await box.run("unshare --mount sh -c 'umount -l /proc; exec /run/a/polyns pam'"),
    cannot(NO_PATH),
    'no /proc',
  )

  // A directory below which a path of `length` bytes leads to the copy; what is too long as a whole is made step by step.
  const deep = (length: number) => `my $left = ${length} - length("/tmp/deep/polyns");
    chdir "/tmp/deep" or die;
    while ($left > 0) { my $n = $left > 250 ? 200 : $left; my $d = "d" x ($n - 1); mkdir $d; chdir $d or die; $left -= $n }
    system("cp", "/run/a/polyns", "/run/a/polyns.sh", "."); exec "./polyns"`
  const byLength = (length: number) => box.run(['perl', '-e', deep(length)])
  t.match(await byLength(4090), { status: 7 }, 'a path as long as can be')
  t.match(await byLength(4091), cannot(NO_START), 'the executable’s is too long')
  t.match(await byLength(4095), cannot(NO_START))
  t.match(await byLength(4096), cannot(NO_PATH), 'its own is')
  t.match(await byLength(6000), cannot(NO_PATH))

  const swap = 'cp /run/a/polyns /run/a/new; mv /run/a/new /run/a/polyns'
  await box.write('/run/a/polyns.sh', '#!/bin/sh\nexit 7\n', 0o755)
  const replaced = `exec 9</run/a/polyns; ${swap}; /proc/self/fd/9; exit $?`
  t.match(await box.run(['sh', '-c', replaced]), { status: 7 }, 'replaced while it starts')
})
