/* Hooks as root: what they get, how long they may take, what they cannot do, and which are not run at all. */
import t from 'tap'
import { call, install } from '../support/inside.js'
import { plainStack } from '../support/logins.js'
import { needs } from '../support/needs.js'
import { sleep } from '../support/run.js'
import { Sandbox } from '../support/sandbox.js'
import type { HookCall } from './entry/hooks.js'

const skip = needs('root', 'layer')
const DIR = '/etc/polyns/session.d'

interface Report {
  outcomes: { name: string; outcome: string; said: string }[]
  complaints: string[]
  ms: number
}

class Hooks {
  private constructor(
    readonly box: Sandbox,
    readonly entry: string,
  ) {}

  static async in(box: Sandbox): Promise<Hooks> {
    await box.sh(`mkdir -p ${DIR}/open`)
    return new Hooks(box, await install(box, 'hooks'))
  }

  /** Takes all hooks away, and puts these in, each a shell script. */
  async set(hooks: Record<string, string>, event = 'open'): Promise<void> {
    await this.box.sh(`rm -rf ${DIR}/${event} /run/out; mkdir ${DIR}/${event}`)
    for (const [name, text] of Object.entries(hooks)) {
      await this.box.write(`${DIR}/${event}/${name}`, `#!/bin/sh\n${text}\n`, 0o755)
    }
  }

  run(options: HookCall = {}): Promise<Report> {
    return call<Report>(this.box, this.entry, options)
  }

  /** What the hooks have written to /run/out, once that has `lines` lines. */
  async out(lines: number): Promise<string[]> {
    let out: string[] = []
    for (let i = 0; i < 250; i++) {
      out = (await this.box.sh('cat /run/out 2>/dev/null || :')).split('\n').filter(Boolean)
      if (out.length >= lines) break
      await sleep(20)
    }
    return out
  }

  /** Waits until nothing runs in the sandbox. */
  async quiet(): Promise<string[]> {
    for (let i = 0; i < 250 && this.box.processes().length > 0; i++) await sleep(20)
    return this.box.processes().map(({ state, command }) => `${state} ${command}`)
  }
}

t.test('hooks', { skip }, async (t) => {
  await using box = await Sandbox.start()
  const hooks = await Hooks.in(box)

  await t.test('run in order: those that are waited for, then the others', async (t) => {
    const say = (text: string) => `echo ${text} >>/run/out`
    await hooks.set({
      '50-last': say('50-last'),
      '20W-second': `sleep 0.2; ${say('20W')}`,
      '10W-first': say('10W'),
      '9W-not-two-digits': say('9W'),
      '30-slow': `sleep 0.3; ${say('30-slow')}`,
      '05D-daemon': say('05D'),
      '15w-small': say('15w'),
      'README~': say('wrong'),
      '.hidden': say('wrong'),
      '10W-first.bak': say('wrong'),
      '10W-first.dpkg-dist': say('wrong'),
      '10W-first.rpmnew': say('wrong'),
    })
    const { outcomes, complaints } = await hooks.run()
    t.same(
      outcomes.map(({ name, outcome }) => `${name} ${outcome}`),
      [
        'open/10W-first ok',
        'open/20W-second ok',
        'open/05D-daemon started',
        'open/15w-small started',
        'open/30-slow started',
        'open/50-last started',
        'open/9W-not-two-digits started',
      ],
    )
    t.same(complaints, [])
    const out = await hooks.out(7)
    t.same(out.slice(0, 2), ['10W', '20W'])
    t.same(
      out.filter((line) => line !== '05D'),
      ['10W', '20W', '15w', '30-slow', '50-last', '9W'],
    )
    t.ok(out.includes('05D'))
    t.same(await hooks.quiet(), [])
  })

  await t.test('get a clean environment, and no descriptor, signal or limit of ours', async (t) => {
    const look = `exec >>/run/out
env -0 | tr '\\n\\0' '|\\n' | grep -v '^_=' | sort
echo "$(pwd) $(umask) $(id -u) $(id -g) $(ulimit -Sn)"
grep Sig[BI][lg] /proc/self/status | cut -f2 | tr '\\n' ' '
ps -o sid= -p $$ | tr -d ' '
ls -l /proc/$$/fd >/run/fds # not into a pipe, which would be among them
sed -n 's/.* \\([0-9]*\\) -> /fd \\1 /p' /run/fds
echo end`
    for (const [name, kind] of [
      ['10W-look', 'waited'],
      ['10-look', 'background'],
      ['10D-look', 'detached'],
    ] as const) {
      await hooks.set({ [name]: look })
      const script = `ps -o sid= -p $$ | tr -d ' '; trap '' USR1; exec 7</etc/passwd 8>/run/fd8; ulimit -Sn 1000; SECRET=x "$0" '{}' >/dev/null`
      const sid = await box.sh(['bash', '-c', script, hooks.entry], { input: 'a pipe' })
      let out: string[] = []
      for (let i = 0; i < 100 && out.at(-1) !== 'end'; i++) out = await hooks.out(24)
      t.match(
        out.slice(0, 18),
        [
          'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
          'POLYNS_EVENT=open',
          'POLYNS_GID=5001',
          'POLYNS_HOME=/home/alice',
          'POLYNS_INSTANCES=/tmp/inst/alice|tmpfs',
          'POLYNS_JOB_ID=',
          'POLYNS_KIND=built',
          /^POLYNS_LEADER_PID=\d+$/,
          'POLYNS_POLYDIRS=/tmp|/dev/shm',
          'POLYNS_RHOST=host.example',
          'POLYNS_RUSER=',
          'POLYNS_SERVICE=app',
          'POLYNS_SESSION_ID=c7',
          'POLYNS_TTY=pts/0',
          'POLYNS_UID=5001',
          'POLYNS_USER=alice',
          'PWD=/',
          '/ 0022 0 0 1000',
        ],
        kind,
      )
      // A shell ignores SIGINT and SIGQUIT, 2 and 3, for what it starts in the background.
      t.equal(
        out[18],
        `0000000000000000 ${kind === 'detached' ? '0000000000000006' : '0000000000000000'} ${out[18]?.split(' ')[2]}`,
      )
      t.not(out[18]?.split(' ')[2], sid.trim())
      const fds = out.filter((line) => line.startsWith('fd ') && !/out$|look$|fds$/.test(line))
      t.same(
        fds.map((line) => line.replace('/stderr (deleted)', '/stderr')),
        ['fd 0 /dev/null', kind === 'waited' ? 'fd 2 /stderr' : 'fd 2 /dev/null'],
      )
    }
  })

  await t.test('run in the namespace of the process that starts them', async (t) => {
    const say = 'readlink /proc/self/ns/mnt >>/run/out; ls /mnt >>/run/out'
    await hooks.set({ '10W-a': say, '20-b': say, '30D-c': say })
    const script =
      'mount -t tmpfs x /mnt; touch /mnt/private; readlink /proc/$$/ns/mnt; exec "$0" "{}" >/dev/null'
    const mntNs = (await box.sh(['unshare', '-m', 'sh', '-c', script, hooks.entry])).trim()
    t.not(mntNs, box.host.mntNs)
    t.same((await hooks.out(6)).sort(), [mntNs, mntNs, mntNs, 'private', 'private', 'private'].sort())
  })

  await t.test('that are waited for give their outcome, and the next one is run', async (t) => {
    await hooks.set({
      '01W-ok': 'echo not shown; echo shown >&2; echo >&2',
      '02W-failed': 'echo first >&2; printf "  last line \n\n" >&2; exit 3',
      '03W-killed': 'kill -SEGV $$',
      '04W-gigabyte': 'head -c 1G /dev/zero; head -c 1G /dev/zero | tr "\\0" x >&2; exit 4',
      '05W-daemon': 'sleep 5 & exec setsid sleep 5 &',
      '06W-long-line': 'head -c 1000 /dev/zero | tr "\\0" y >&2; exit 5',
      '07W-as-timeout': 'exit 124',
      '08W-escape': 'printf "a\\033[31mb\\nc\\r" >&2; exit 6',
    })
    await box.write(`${DIR}/open/09W-interpreter`, '#!/nowhere/sh\n', 0o755)
    const { outcomes, complaints, ms } = await hooks.run()
    t.match(outcomes, [
      { name: 'open/01W-ok', outcome: 'ok', said: 'shown' },
      { outcome: 'failed 3', said: 'last line' },
      { outcome: 'killed by SIGSEGV', said: '' },
      { outcome: 'failed 4' },
      { outcome: 'ok', said: '' },
      { outcome: 'failed 5', said: 'y'.repeat(500) },
      { outcome: 'failed 124' },
      { outcome: 'failed 6', said: 'c' },
      { name: 'open/09W-interpreter', outcome: 'failed 127', said: /No such file/ },
    ])
    t.equal(complaints.length, 7)
    t.equal(complaints[0], 'hook open/02W-failed failed 3: last line')
    t.ok(ms < 5000, `takes ${ms} ms`)
    t.equal((await hooks.quiet()).length, 0)
  })

  await t.test('that hang are ended with their process group', async (t) => {
    const limits = { waited: 1, grace: 1 }
    await hooks.set({
      '01W-hangs': 'echo waiting >&2; sleep 1000 & sleep 1000',
      '02W-ignores': 'trap "" TERM; sleep 1000 & while :; do sleep 1000; done',
      '03W-stops': 'kill -STOP 0; sleep 1000',
      '04W-next': 'echo next >>/run/out',
      '05W-cleans': 'trap "echo cleaned >>/run/out; exit 0" TERM; sleep 1000 & wait',
    })
    const { outcomes, ms } = await hooks.run({ limits })
    t.match(outcomes, [
      { outcome: 'timed out', said: 'waiting' },
      { outcome: 'timed out' },
      { outcome: 'timed out' },
      { outcome: 'ok' },
      { outcome: 'timed out' },
    ])
    t.same(await hooks.out(2), ['next', 'cleaned'])
    t.ok(ms < 13_000, `takes ${ms} ms`)
    t.same(await hooks.quiet(), [])
    const all = await hooks.run({ limits: { ...limits, waitedTotal: 1 } })
    t.match(all.outcomes, [
      { outcome: 'timed out' },
      ...['02', '03', '04', '05'].map(() => ({ outcome: 'refused: those before it took 1 s' })),
    ])
  })

  await t.test('have the time that is theirs when somebody sets the clock', async (t) => {
    await hooks.set({ '01W-first': 'exit 0', '02W-second': 'exit 0' })
    t.match((await hooks.run({ clockJumps: true })).outcomes, [{ outcome: 'ok' }, { outcome: 'ok' }])
  })

  await t.test('in the background are bounded, and complained of in the log', async (t) => {
    await hooks.set({
      '10-hangs': 'sleep 1000 & sleep 1000',
      '20-fails': 'exit 7',
      '30-next': 'echo next >>/run/out',
    })
    t.ok((await hooks.run({ limits: { background: 1, grace: 1 } })).ms < 1000)
    t.same(await hooks.out(1), ['next'])
    t.same(await hooks.quiet(), [])
    const log = (await box.syslog()).filter((line) => line.includes(' polyns'))
    t.match(log, [
      /^authpriv\.warning polyns: hook .*open\/10-hangs: status 124 \(124, 137: over 1 s\)$/,
      /^authpriv\.warning polyns: hook .*open\/20-fails: status 7 /,
    ])
  })

  await t.test('are ended in time also when the helper is killed, which can be', async (t) => {
    await hooks.set({ '10W-hangs': 'echo on >>/run/out; sleep 1000' })
    const running = box.spawn([hooks.entry, JSON.stringify({ limits: { waited: 2, grace: 1 } })])
    t.same(await hooks.out(1), ['on'])
    t.match(await box.end(running), { signal: 'SIGTERM' })
    t.ok(box.processes().some(({ command }) => command.startsWith('sleep')))
    t.same(await hooks.quiet(), [])
  })

  await t.test('are refused where others than root could have written them', async (t) => {
    const good = '#!/bin/sh\necho "$0" >>/run/out\n'
    await hooks.set({})
    await box.write('/usr/local/lib/good', good, 0o755)
    await box.write('/home/alice/bad', good, 0o755)
    await box.write('/opt/open/in-open-directory', good, 0o755)
    await box.sh(`cd ${DIR}/open
      chown alice: /home/alice/bad; chmod 777 /opt/open; ln -s /usr/local/lib /opt/open/way
      for n in 01W-users 02W-group 03W-others 04W-acl 05W-plain; do cp /usr/local/lib/good $n; done
      chown alice 01W-users; chmod g+w 02W-group; chmod o+w 03W-others; chmod -x 05W-plain
      setfacl -m u:alice:rwx 04W-acl 2>/dev/null || chmod g+w 04W-acl
      mkdir 06W-directory; mkfifo -m 755 07W-fifo
      ln -s /usr/local/lib/good 10W-link; ln -s ../../../../usr/local/lib/good 11W-relative
      ln -s /home/alice/bad 12W-to-users; ln -s /opt/open/in-open-directory 13W-to-open
      ln -s /opt/open/way/good 14W-through-open; ln -s 15W-loop 15W-loop; ln -s /nowhere 16W-dangling`)
    const { outcomes } = await hooks.run()
    const by = Object.fromEntries(outcomes.map(({ name, outcome }) => [name.slice(5), outcome]))
    const writable = /^refused: .* can be written by others than root \(uid \d+, mode \d{4}\)/
    t.match(by, {
      '01W-users': writable,
      '02W-group': writable,
      '03W-others': writable,
      '04W-acl': writable,
      '05W-plain': /^refused: .*05W-plain: is not executable/,
      '06W-directory': /^refused: .* is not a file but a directory/,
      '07W-fifo': /^refused: .* is not a file but a fifo/,
      '10W-link': 'ok',
      '11W-relative': 'ok',
      '12W-to-users': writable,
      '13W-to-open': writable,
      '14W-through-open': writable,
      '15W-loop': /^refused: .* too many symbolic links/,
      '16W-dangling': /^refused: .*ENOENT/,
    })
    t.equal(outcomes.length, 14)
    t.same(
      await hooks.out(2),
      [`${DIR}/open/10W-link`, `${DIR}/open/11W-relative`],
      'and only the others are run',
    )

    for (const [what, make, undo] of [
      ['a directory of a user', `chown alice ${DIR}/open`, `chown root ${DIR}/open`],
      ['a directory that a group can write to', `chmod g+w ${DIR}/open`, `chmod g-w ${DIR}/open`],
      ['a directory on the way there', `chmod o+w ${DIR}`, `chmod o-w ${DIR}`],
    ] as const) {
      await box.sh(make)
      t.match((await hooks.run()).outcomes, [{ name: `${DIR}/open`, outcome: writable }], what)
      await box.sh(undo)
    }
    await box.sh(`rm -r ${DIR}/open; echo >${DIR}/open`)
    t.match((await hooks.run()).outcomes, [{ name: `${DIR}/open`, outcome: /^refused: .*ENOTDIR/ }])
    await box.sh(`rm ${DIR}/open`)
    t.match(await hooks.run(), { outcomes: [], complaints: [] }, 'and without the directory there is nothing')
  })

  await t.test('of a login do not keep it waiting, and nothing of them is left in its way', async (t) => {
    await hooks.set({
      '10W-w': 'sleep 0.1',
      '20-b': 'sleep 2; echo b >>/run/out',
      '30D-d': 'sleep 2; echo d >>/run/out',
    })
    const line = `session required pam_exec.so quiet seteuid ${hooks.entry}`
    await box.pam('app', plainStack([line]))
    const report = await box.pamApp({ service: 'app', user: 'alice', block: [10, 15] })
    t.match(report, { open: 0 })
    t.same(report.opened.children, [])
    t.same(report.opened.fds, report.before.fds)
    t.match(JSON.parse(await box.read('/run/hooks/report')), {
      outcomes: [{ outcome: 'ok' }, { outcome: 'started' }, { outcome: 'started' }],
    })
    await box.startSshd({ pamLines: [line] })
    const started = Date.now()
    t.match(await box.ssh('bob', 'echo in'), { status: 0, stdout: 'in\n', heldOpen: false })
    t.ok(Date.now() - started < 2000)
    t.match(
      box.processes().filter(({ command }) => command.startsWith('sleep')),
      [{}, {}],
    )
    // One each of two logins and, at the end of both sessions, once more.
    t.equal((await hooks.out(8)).length, 8)
    await box.sh('pkill -x sshd')
  })
})
