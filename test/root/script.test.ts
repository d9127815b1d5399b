/* The init script: pam_namespace's contract, and that its failure is the session's. */
import t from 'tap'
import { installPolyns, PAM_LINE } from '../support/install.js'
import { plainStack } from '../support/logins.js'
import { needs } from '../support/needs.js'
import { Sandbox } from '../support/sandbox.js'
import { lastLogged, shellApp, wasRefused } from './state.js'

const skip = needs('root', 'layer', 'dist')
const SCRIPT = '/etc/polyns/fill'
const LOG = '/run/filled'
const TELL = `#!/bin/sh
{ printf '%s|' "$@"; echo
  tr '\\0' '|' </proc/$$/environ; echo
  id -u; id -g; id -G; pwd; umask
  readlink /proc/$$/ns/mnt
  perl -e 'opendir D, "/proc/self/fd"; print join " ", map { "$_=" . readlink "/proc/self/fd/$_" } sort grep /\\d/, readdir D'
} >${LOG}
touch "$1/filled"
`

t.test('the init script', { skip }, async (t) => {
  await using box = await Sandbox.start()
  await installPolyns(box, `/tmp /tmp/inst/ user:iscript=${SCRIPT} root\n`)
  await box.pam('app', plainStack([PAM_LINE]))
  const alice = { service: 'app', user: 'alice', command: 'ls /tmp' }

  await t.test(
    'gets six arguments, no environment and no descriptor, as root in the new namespace',
    async (t) => {
      await box.write(SCRIPT, TELL, 0o755)
      const r = await box.pamApp({
        ...alice,
        egid: 5001,
        ruid: 5002,
        umask: 0o77,
        env: { LD_PRELOAD: '/tmp/evil.so', A: 'b' },
      })
      t.match(r, { open: 0, command: { stdout: /^filled\n$/ } })
      const [args, env, uid, gid, groups, cwd, umask, mntNs, fds] = (await box.read(LOG)).split('\n')
      t.equal(args, '/tmp|/tmp/inst/alice|1|alice|1|0|', 'the instance’s path leads into the user’s own /tmp')
      t.equal(env, '')
      t.same([uid, gid, groups, cwd, umask], ['0', '0', '0', '/', '0022'])
      t.equal(mntNs, r.opened.mntNs)
      t.match(fds, /^0=\/dev\/null 1=\/run\/filled 2=\/dev\/null 3=\/proc\/\d+\/fd$/)
      t.equal(await box.sh('ls /tmp'), 'inst\n', 'it has filled the instance, not the host’s /tmp')
    },
  )
  await t.test('is told that the instance existed already', async (t) => {
    t.match(await box.pamApp(alice), { open: 0 })
    t.match(await box.read(LOG), /^\/tmp\|\/tmp\/inst\/alice\|0\|alice\|1\|0\|\n/)
  })
  await t.test('does not run again for a session that joins', async (t) => {
    const held = await box.pamHold(alice)
    await box.sh(`rm ${LOG}`)
    t.match(await box.pamApp(alice), { open: 0 })
    t.match(await box.run(`cat ${LOG}`), { status: 1 })
    await held.close()
  })
  await t.test('is told of a tmpfs', async (t) => {
    await box.write('/etc/polyns/namespace.conf', `/tmp tmpfs tmpfs:iscript=${SCRIPT} root\n`)
    t.match(await box.pamApp(alice), { open: 0, command: { stdout: /^filled\n$/ } })
    t.match(await box.read(LOG), /^\/tmp\|tmpfs\|1\|alice\|1\|0\|\n/)
  })
  await t.test('is not run with noinit, and may be missing when it is the default one', async (t) => {
    await box.sh(`rm ${LOG}`)
    for (const flag of ['user:noinit', 'user']) {
      await box.write('/etc/polyns/namespace.conf', `/tmp /tmp/inst/ ${flag} root\n`)
      t.match(await box.pamApp(alice), { open: 0 })
    }
    t.match(await box.run(`cat ${LOG}`), { status: 1 })
    await box.write('/etc/polyns/namespace.init', TELL, 0o755)
    t.match(await box.pamApp(alice), { open: 0 })
    t.match(await box.read(LOG), /^\/tmp\|\/tmp\/inst\/alice\|0\|/, 'which runs once it is there')
    await box.write('/etc/polyns/namespace.conf', `/tmp /tmp/inst/ user:iscript=${SCRIPT} root\n`)
  })

  for (const [what, make, status, why] of [
    [
      'that fails',
      'printf "#!/bin/sh\\nexit 3\\n" >$f',
      1,
      /: init script '\/etc\/polyns\/fill' for '\/tmp' failed with status 3$/,
    ],
    ['that is killed', 'printf "#!/bin/sh\\nkill -SEGV \\$\\$\\n" >$f', 1, /was killed by SIGSEGV$/],
    ['without an interpreter', 'printf "#!/nowhere\\n" >$f', 1, /could not be started: .*ENOENT$/],
    ['that is missing', 'rm $f', 1, /openat2\(.*'\/etc\/polyns\/fill'.*ENOENT/],
    ['that is not executable', 'chmod 644 $f', 5, /not executable; chmod 755 it$/],
    ['that others can write', 'chmod 775 $f', 5, /others than root can write it \(uid 0, mode 0775\)$/],
    ['that is a user’s', 'chown alice $f', 5, /others than root can write it \(uid 5001, /],
    ['that is a directory', 'rm $f; mkdir $f', 5, /is the init script, but a directory$/],
    ['that is a FIFO', 'rm $f; mkfifo -m 755 $f', 5, /is the init script, but a fifo$/],
    [
      'that leads to a user’s file',
      'rm $f; cp /bin/true /home/alice/t; chown alice /home/alice/t; ln -s /home/alice/t $f',
      5,
      /others than root can write it/,
    ],
  ] as const) {
    await t.test(`${what} refuses the session`, async (t) => {
      await box.sh(`rm -rf ${SCRIPT}`)
      await box.write(SCRIPT, TELL, 0o755)
      await box.sh(`f=${SCRIPT}; ${make}`)
      t.same(...wasRefused(await box.pamApp(alice)))
      t.match(await lastLogged(box), why)
      t.notMatch(await lastLogged(box), 'defect')
      t.same(await shellApp(box, { PAM_USER: 'alice' }), { status, mntNs: box.host.mntNs })
    })
  }
  await t.test('cannot hold the login up by what it leaves running, nor flood its output', async (t) => {
    await box.sh(`rm -rf ${SCRIPT}`)
    const flood = 'head -c 100000000 /dev/zero; setsid sleep 1000 &'
    await box.write(SCRIPT, `#!/bin/sh\n${flood}\n`, 0o755)
    const r = await box.pamApp(alice)
    t.equal(r.open, 0)
    t.ok(r.openMs < 5000, `${r.openMs} ms`)
    await box.sh('pkill sleep')
  })
})
