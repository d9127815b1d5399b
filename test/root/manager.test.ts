/*
 * systemd --user: its session is opened as root, by a process that becomes the user's, and closed as the user. It may come
 * before the login that it belongs to, since pam_systemd waits for it, and lives on after it.
 */
import t from 'tap'
import { installPolyns, PAM_LINE, POLYNS } from '../support/install.js'
import { needs } from '../support/needs.js'
import { type Process, Sandbox } from '../support/sandbox.js'
import { Lookout, whoseIs } from './caller.js'
import { Shell } from './shell.js'
import { logged } from './state.js'

const skip = needs('root', 'layer', 'dist')

/**
 * What (systemd) does for user@.service: opens the session, forks (sd-pam) as the user to close it later, and becomes the
 * user's manager. `$1` is what the manager is, in place of systemd.
 */
const MANAGER = `#!/bin/sh
export PAM_TYPE=open_session PAM_SERVICE=systemd-user PAM_USER=alice
${POLYNS} pam || exit
as_alice='setpriv --reuid alice --regid alice --init-groups --'
PAM_TYPE=close_session $as_alice sh -c '
  echo $$ >/run/manager/sd-pam.new; mv /run/manager/sd-pam.new /run/manager/sd-pam
  read -r _ </run/manager/stop
  ${POLYNS} pam; echo $? >/run/manager/closed.new; mv /run/manager/closed.new /run/manager/closed' &
until [ -e /run/manager/sd-pam ]; do sleep 0.01; done
unset PAM_TYPE PAM_SERVICE PAM_USER
exec $as_alice "$@"
`

/** pam_systemd's part: with the first session of alice's it starts her manager, and waits until it has begun. */
const LOGIND = `#!/bin/sh
[ "$PAM_TYPE" = open_session ] && [ ! -e /run/manager/sd-pam ] || exit 0
setsid /usr/local/sbin/manager sleep 1000 </dev/null >/dev/null 2>&1 &
until [ -e /run/manager/sd-pam ]; do sleep 0.01; done
`

async function machine(): Promise<Lookout> {
  const box = await Sandbox.start()
  await installPolyns(box, '/tmp /tmp/inst/ user:noinit root\n')
  const lookout = await Lookout.on(box)
  await box.write('/usr/local/sbin/manager', MANAGER, 0o755)
  await box.write('/usr/local/sbin/logind', LOGIND, 0o755)
  await box.sh('mkdir -m 1777 /run/manager; mkfifo -m 666 /run/manager/stop')
  await box.startSshd({ pamLines: [PAM_LINE] })
  await box.ssh('alice', 'true')
  await lookout.mark('host', '/tmp')
  await lookout.mark('alice', '/tmp/inst/alice')
  return lookout
}

/** The manager, once it is the user's. */
async function manager(lookout: Lookout, command = 'sleep 1000'): Promise<Process> {
  const find = () => lookout.box.processes().find((p) => p.uid === 5001 && p.command === command)
  await lookout.until(`the manager ${command}`, () => find() !== undefined)
  return find() as Process
}

/** Ends it as systemd does: the manager first, then (sd-pam) closes the session. @returns its exit status */
async function stop(lookout: Lookout, { pid }: Process): Promise<string> {
  const { box } = lookout
  const closed = 'until [ -e /run/manager/closed ]; do sleep 0.01; done; cat /run/manager/closed'
  return (await box.sh(`kill ${pid}; echo >/run/manager/stop; ${closed}`)).trim()
}

const sessions = async (box: Sandbox): Promise<{ service: string; namespace: string }[]> =>
  JSON.parse(await box.sh([POLYNS, 'list', '--json'])).sessions

/** A leader that is the user's process is followed only where namespaces have ids: since Linux 6.11, see ns/join.ts. */
const isById = async (box: Sandbox) =>
  (await sessions(box)).every(({ namespace }) => namespace.startsWith('id:'))

t.test('a manager that is started while its user is logged in', { skip }, async (t) => {
  const lookout = await machine()
  await using box = lookout.box
  const ssh = await Shell.open(box, 'alice')
  const starter = box.spawn(['/usr/local/sbin/manager', 'sleep', '1000'])
  const process = await manager(lookout)
  t.equal(process.mntNs, ssh.mntNs, 'joins')
  t.equal(whoseIs('/tmp', process), 'alice')
  t.match(await sessions(box), [{ service: 'sshd' }, { service: 'systemd-user' }])

  await t.test('closes as the user while it lives: that does nothing, and succeeds', async (t) => {
    const before = await box.snapshot()
    const from = (await logged(box)).length
    const env = { PAM_TYPE: 'close_session', PAM_SERVICE: 'systemd-user', PAM_USER: 'alice' }
    const r = await box.run([POLYNS, 'pam'], { user: 'alice', env })
    t.match(r, { status: 0, stdout: /^$/, stderr: /^$/ })
    t.same(await box.snapshot(), before)
    t.same(await logged(box, from), [])
  })

  await ssh.close()
  t.equal(whoseIs('/tmp', process), 'alice', 'keeps its view when its user has logged out')
  t.match(await sessions(box), [{ service: 'systemd-user' }])
  const again = await Shell.open(box, 'alice')
  t.equal(await again.run('cat /tmp/whose'), 'alice\n', 'the next login sees the same files')
  if (await isById(box)) t.equal(again.mntNs, process.mntNs, 'in the same namespace')
  await again.close()
  t.equal(await stop(lookout, process), '0', '(sd-pam) has closed as the user')
  await starter.exited
  t.same(await sessions(box), [], 'and with its process it is listed no more')
})

t.test('a manager that pam_systemd starts first, from within the login', { skip }, async (t) => {
  const lookout = await machine()
  await using box = lookout.box
  await box.pam('sshd', [
    'account required pam_unix.so',
    'session required pam_exec.so quiet /usr/local/sbin/logind',
    PAM_LINE,
  ])
  const ssh = await Shell.open(box, 'alice')
  const process = await manager(lookout)
  t.match(await sessions(box), [{ service: 'systemd-user' }, { service: 'sshd' }])
  t.equal(await ssh.run('cat /tmp/whose'), 'alice\n')
  t.equal(whoseIs('/tmp', process), 'alice')
  const byId = await isById(box)
  if (byId) t.equal(ssh.mntNs, process.mntNs, 'shares its namespace with that login')
  else t.not(ssh.mntNs, process.mntNs)

  await ssh.close()
  const next = await Shell.open(box, 'alice')
  if (byId) t.equal(next.mntNs, process.mntNs, 'and with the next one')
  await next.close()
  t.equal(await stop(lookout, process), '0')
  t.same(await sessions(box), [])
})

t.test('a manager that has gone to a namespace of its own making', { skip }, async (t) => {
  const lookout = await machine()
  await using box = lookout.box
  // Root must not be led there: the user has mounted what he likes, also over /etc and the record of the session.
  const trap = [
    'unshare',
    '-Urm',
    'sh',
    '-c',
    'mount -t tmpfs x /etc; echo 0 >/run/manager/trap; exec sleep 1000',
  ]
  const starter = box.spawn(['/usr/local/sbin/manager', ...trap])
  const process = await manager(lookout)
  await lookout.until('the trap', () => box.mountinfo(process.pid).some((line) => line.includes(' /etc ')))
  const ssh = await Shell.open(box, 'alice')
  t.not(ssh.mntNs, process.mntNs, 'is not followed')
  t.equal(await ssh.run('cat /tmp/whose; id -un'), 'alice\nalice\n')
  t.notOk(box.mountinfo(ssh.pid).some((line) => line.includes(' /etc ')))
  const second = await Shell.open(box, 'alice')
  t.equal(second.mntNs, ssh.mntNs, 'those after it join each other')
  await second.close()
  await ssh.close()
  t.equal(await stop(lookout, process), '0')
  await starter.exited
})
