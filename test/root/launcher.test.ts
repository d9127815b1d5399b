/* bin/polyns: nothing that the user who logs in can say decides what is run as root. */
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
  const noEvil = async (t: Test) => t.match(await box.run('cat /run/evil'), { status: 1 }, 'none of it ran')

  const hostile: Record<string, string> = {
    NODE_OPTIONS: '--require /home/alice/evil.js',
    NODE_PATH: '/home/alice',
    NODE_EXTRA_CA_CERTS: '/etc/shadow',
    NODE_V8_COVERAGE: '/run/evil',
    NODE_REPL_EXTERNAL_MODULE: '/home/alice/evil.js',
    OPENSSL_CONF: '/home/alice/evil.sh',
    LD_LIBRARY_PATH: '/home/alice',
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

  await t.test('takes no hostile PAM environment for an order', async (t) => {
    const r = await box.pamApp({ service: 'app', user: 'alice', env: hostile })
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
    for (const path of [POLYNS, '/opt/polyns/bin/polyns', '/run/link2', '/run/dir/polyns']) {
      t.match(await box.run(['sh', '-c', `${open} ${path} pam; exit $?`]), { status: 0 }, path)
    }
    t.match(await box.run(`cd /run/dir && ./polyns --version`), { status: 0, stdout: /^\d+\.\d+\.\d+\n$/ })
    t.match(await box.run(`cd /opt/polyns/bin && sh polyns --version`), { status: 0 })
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
