/* Sessions refused for what the configuration or the login says: the application stays what it was. */
import t from 'tap'
import { installPolyns, PAM_LINE, POLYNS, TMP_AND_SHM } from '../support/install.js'
import { plainStack } from '../support/logins.js'
import { needs } from '../support/needs.js'
import { Sandbox } from '../support/sandbox.js'
import { lastLogged, logged, settled, shellApp, wasRefused } from './state.js'

const skip = needs('root', 'layer', 'dist')
const CONFIG = '/etc/polyns/namespace.conf'
const BROKEN = '/tmp /tmp/polyns-inst/ usr:noinit root\n'
const ALICE = { PAM_USER: 'alice' }

t.test('a broken configuration', { skip }, async (t) => {
  await using box = await Sandbox.start()
  await installPolyns(box, BROKEN)
  await box.startSshd({ pamLines: [PAM_LINE] })
  await box.pam('app', plainStack([PAM_LINE]))
  const before = await settled(box)

  await t.test('refuses every login when no last good one is known', async (t) => {
    t.match(await box.ssh('alice', 'echo ran >/home/alice/ran'), { status: 254, stdout: /^$/ })
    t.match(await box.run('cat /home/alice/ran'), { status: 1 }, 'the command did not run')
    t.match(await lastLogged(box), `authpriv.err: sshd: open_session of alice: refused: ${CONFIG}:1:24: `)
    t.same(...wasRefused(await box.pamApp({ service: 'app', user: 'alice' })))
    t.match(await lastLogged(box), `authpriv.err: app: open_session of alice: refused: ${CONFIG}:1:24: `)
    t.same(await shellApp(box, ALICE), { status: 3, mntNs: box.host.mntNs })
    t.same(await settled(box), before)
  })
  await t.test('lets a login pass, in the host’s view and with an alert, under --fail-open', async (t) => {
    t.same(await shellApp(box, ALICE, { args: '--fail-open' }), { status: 0, mntNs: box.host.mntNs })
    t.match(await lastLogged(box), /^authpriv\.alert: app: .* HOST'S VIEW because of --fail-open: .*:1:24: /)
  })
  await t.test('falls back to the last good one, with an alert', async (t) => {
    await box.write(CONFIG, TMP_AND_SHM)
    await box.sh(`${POLYNS} check`)
    await box.write(CONFIG, BROKEN)
    const from = (await logged(box)).length
    t.match(await box.ssh('alice', 'touch /tmp/f; ls /tmp'), { status: 0, stdout: /^f\n$/ })
    t.equal(await box.sh('ls /tmp'), 'polyns-inst\n')
    t.match((await logged(box, from)).slice(0, 2), [
      `authpriv.alert: the configuration is broken, the last good one is used: ${CONFIG}:1:24: `,
      'authpriv.info: sshd: session of alice opened, built: /tmp /dev/shm',
    ])
  })
  await t.test('is one that others than root can change', async (t) => {
    await box.write(CONFIG, TMP_AND_SHM, 0o666)
    await box.sh('rm -r /run/polyns/last-good')
    t.same(await shellApp(box, ALICE), { status: 5, mntNs: box.host.mntNs })
    t.match(await lastLogged(box), new RegExp(`refused: ${CONFIG}: .*mode 0?666`))
    await box.sh(`chmod 644 ${CONFIG}; chown alice ${CONFIG}`)
    t.match(await shellApp(box, ALICE), { status: 5 })
    t.match(await lastLogged(box), new RegExp(`refused: ${CONFIG}: .*5001`))
  })
  await t.test('is one that is missing', async (t) => {
    await box.sh(`rm ${CONFIG}; rm -f /etc/security/namespace.conf`)
    t.same(await shellApp(box, ALICE), { status: 3, mntNs: box.host.mntNs })
    t.match(
      await lastLogged(box),
      /refused: .*there is no configuration; looked for \/etc\/polyns\/namespace\.conf/,
    )
  })
})

t.test('a configuration that vanishes', { skip }, async (t) => {
  await using box = await Sandbox.start()
  const dropIn = '/etc/polyns/namespace.d/50-shm.conf'
  const [tmp = '', shm = ''] = TMP_AND_SHM.trimEnd().split('\n')
  const write = async () => {
    await box.write(CONFIG, `${tmp}\n`)
    await box.write(dropIn, `${shm}\n`)
  }
  await installPolyns(box)
  await box.write('/etc/security/namespace.conf', '# as a distribution ships it: no line of its own\n')
  await box.startSshd({ pamLines: [PAM_LINE] })
  await write()
  await box.sh(`${POLYNS} check`)
  const seen = async () => {
    const from = (await logged(box)).length
    const { stdout } = await box.ssh(
      'alice',
      "awk '$5 ~ /^\\/(tmp|dev\\/shm)$/ && $4 ~ /alice/ { print $5 }' /proc/self/mountinfo",
    )
    const [first = ''] = await logged(box, from)
    return { polydirs: stdout.trim().split('\n'), first }
  }
  const BOTH = ['/tmp', '/dev/shm']
  const alert = (file: string) =>
    `authpriv.alert: the configuration is broken, the last good one is used: ${file}:0:0: ${file} is not there any more; if that is meant, 'polyns check' as root says so`

  await t.test('is still used, and there is an alert', async (t) => {
    for (const [gone, file] of [
      [CONFIG, CONFIG],
      [dropIn, dropIn],
      ['/etc/polyns/namespace.d', dropIn],
      ['/etc/polyns', CONFIG],
    ] as const) {
      await box.sh(`mv ${gone} /etc/away`)
      t.same(await seen(), { polydirs: BOTH, first: alert(file) }, gone)
      await box.sh(`mv /etc/away ${gone}`)
    }
    t.match(await seen(), { polydirs: BOTH, first: 'authpriv.info: ' }, 'and none when it is back')
  })
  await t.test(
    'for reap too, which else would take what it does not know for nobody’s business',
    async (t) => {
      await box.sh(`mv ${CONFIG} /etc/away`)
      t.match(JSON.parse(await box.sh(`${POLYNS} reap --json`)), {
        removed: [{ path: '/tmp/polyns-inst/alice' }, {}],
      })
      await box.sh(`mv /etc/away ${CONFIG}`)
    },
  )
  await t.test(
    'until it is checked: who removes it on purpose says so that way, or by a setup',
    async (t) => {
      for (const command of ['check', 'setup']) {
        await box.sh(`rm ${dropIn}; ${POLYNS} ${command}`)
        t.match(await seen(), { polydirs: ['/tmp'], first: 'authpriv.info: ' }, command)
        await box.sh(`rm ${CONFIG}; ${POLYNS} ${command}`)
        t.same((await seen()).polydirs, [''], `${command}: the other file counts`)
        await write()
        await box.sh(`${POLYNS} check`)
        t.same((await seen()).polydirs, BOTH)
      }
    },
  )
})

t.test('a login', { skip }, async (t) => {
  await using box = await Sandbox.start()
  await installPolyns(box)
  await box.pam('app', plainStack([PAM_LINE]))
  await box.pam('without-seteuid', plainStack([PAM_LINE.replace(' seteuid', '')]))
  // No useradd makes these, but a directory server can.
  const names = ['..', '.', '-x', 'a/b', 'alice.job5', 'alice.session7']
  await box.sh([
    'bash',
    '-c',
    'for n; do echo "$n:x:6001:6001::/home/alice:/bin/sh"; done >>/etc/passwd',
    '-',
    ...names,
  ])
  const before = await box.snapshot()

  for (const [name, why] of [
    ['..', 'is a directory of its own meaning'],
    ['.', 'is a directory of its own meaning'],
    ['-x', "'getent passwd' should list it"], // glibc passes such a line over
    ['a/b', 'holds a slash'],
    ['alice.job5', 'would be taken for the instance of a job'],
    ['alice.session7', 'would be taken for the instance of a job or a session'],
    ['nobody-knows', "'getent passwd' should list it"],
    ['5001', "'getent passwd' should list it"],
    ['$(id)', "'getent passwd' should list it"],
    ['a'.repeat(4096), "'getent passwd' should list it"],
  ] as const) {
    await t.test(`of '${name.slice(0, 20)}' is refused`, async (t) => {
      t.same(...wasRefused(await box.pamApp({ service: 'app', user: name })))
      t.match(await lastLogged(box), why)
      t.same(await shellApp(box, { PAM_USER: name }), { status: 5, mntNs: box.host.mntNs })
    })
  }
  await t.test('of nobody is refused', async (t) => {
    t.same(await shellApp(box, { PAM_USER: '' }), { status: 5, mntNs: box.host.mntNs })
    t.same(await shellApp(box, {}), { status: 5, mntNs: box.host.mntNs })
    t.match(await lastLogged(box), /refused: user '': is not known here/)
  })
  await t.test('cannot forge a line of the log', async (t) => {
    const PAM_USER = 'x\nNov 21 00:00:00 polyns[1]: sshd: session of root opened'
    t.match(await shellApp(box, { PAM_USER, PAM_SERVICE: 'a\x1b[2Jb' }), { status: 5 })
    t.match(await lastLogged(box), /^authpriv\.err: a\\x1b\[2Jb: open_session of x\\x0aNov 21/)
  })
  await t.test('whose hook is not one of a session is refused', async (t) => {
    t.same(await shellApp(box, { ...ALICE, PAM_TYPE: 'auth' }), { status: 2, mntNs: box.host.mntNs })
    t.match(
      await lastLogged(box),
      "PAM_TYPE is 'auth': 'polyns pam' is called by pam_exec, in a line 'session ",
    )
    t.match(await shellApp(box, { ...ALICE, PAM_TYPE: '' }), { status: 2 })
    t.match(await lastLogged(box), "PAM_TYPE is ''")
  })
  await t.test('with a wrong option in the PAM line is refused', async (t) => {
    for (const args of ['--fail-opne', '--target', '--target 0', '--target x', '--config']) {
      t.match(await shellApp(box, ALICE, { args }), { status: 2 })
    }
  })
  await t.test('without seteuid in the PAM line of su is refused, and the log names it', async (t) => {
    t.same(...wasRefused(await box.pamApp({ service: 'without-seteuid', user: 'bob', ruid: 5001 })))
    t.match(await lastLogged(box), /needs root, but runs as uid 5001; write 'pam_exec\.so quiet seteuid'/)
    t.match(await shellApp(box, ALICE, { user: 'alice' }), { status: 4 })
  })
  await t.test('that is refused leaves nothing behind', async (t) => {
    t.same(await box.snapshot(), before)
  })
  await t.test('that ends as the user, like that of systemd-user, is no error', async (t) => {
    const env = { ...ALICE, PAM_TYPE: 'close_session' }
    t.match(await shellApp(box, env, { user: 'alice' }), { status: 0 })
    t.match(await shellApp(box, env), { status: 0 }, 'nor one that never was a session of ours')
  })
})
