/* The sandbox itself, without polyns: what every other root test takes for granted. */
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { plainStack } from '../support/logins.js'
import { needs } from '../support/needs.js'
import { mountLines, processesOf } from '../support/proc.js'
import { sleep, start } from '../support/run.js'
import { Sandbox } from '../support/sandbox.js'
import { startSlurm } from '../support/slurm.js'

const skip = needs('root', 'layer')

t.test('a new sandbox is a clean machine', { skip }, async (t) => {
  await using box = await Sandbox.start({ name: 'node7' })
  const names =
    readFileSync(new URL('../support/packages.txt', import.meta.url), 'utf8').match(/^[a-z][\w.+-]+/gm) ?? []
  await box.sh(['dpkg-query', '-W', ...names])
  t.equal((await box.sh('hostname; getent hosts node7')).trim(), 'node7\n192.0.2.1       node7')
  t.equal(await box.sh('ls -A /tmp /var/tmp /dev/shm'), '/dev/shm:\n\n/tmp:\n\n/var/tmp:\n')
  t.equal((await box.sh('stat -c "%a %U %F" /tmp')).trim(), '1777 root directory')
  t.equal((await box.sh('ls /home')).trim(), 'alice\nbob\ncarol')
  t.equal((await box.sh('ip -o link | cut -d: -f2')).trim(), 'lo', 'has no network but its own')
  t.match((await box.run('echo 0 >/proc/sys/kernel/panic')).stderr, /Read-only/, 'cannot change sysctls')
  t.match((await box.run('touch /opt/polyns/x')).stderr, /Read-only/, 'cannot change the checkout')
  t.ok(
    box.mountinfo().every((line) => / shared:\d+ - /.test(line)),
    'every mount is shared, as under systemd',
  )
  t.not(box.host.mntNs, '', 'its namespaces can be told from outside')
  t.same(box.processes(), [], 'nothing runs in it')
  await box.write('/etc/polyns-made-this', 'x')
  t.notOk(existsSync('/etc/polyns-made-this'), 'what is written in it stays in it')
})

t.test('two sandboxes have equal mount tables and do not see each other', { skip }, async (t) => {
  await using a = await Sandbox.start()
  await using b = await Sandbox.start()
  t.same(a.mountinfo(), b.mountinfo())
  await a.sh('mount -t tmpfs x /tmp && touch /tmp/a')
  t.equal(await b.sh('ls /tmp'), '')
  t.notSame(a.mountinfo(), b.mountinfo())
})

t.test('commands', { skip }, async (t) => {
  await using box = await Sandbox.start()
  await t.test('run as the user, with its groups and a clean environment', async (t) => {
    t.match(await box.sh('id', { user: 'carol' }), /uid=5003\(carol\).*groups=5003\(carol\),50\(staff\)/)
    const env = (await box.sh('env', { user: 'alice', env: { A: 'b' } })).trim().split('\n').sort()
    t.same(
      env.map((line) => line.split('=')[0]),
      ['A', 'HOME', 'LANG', 'LOGNAME', 'PATH', 'PWD', 'SHELL', 'SHLVL', 'TERM', 'USER', '_'],
    )
    t.equal(await box.sh('pwd', { cwd: '/var' }), '/var\n')
    t.equal(await box.sh('cat', { input: 'some text' }), 'some text')
  })
  await t.test('give their status, or throw with both outputs', async (t) => {
    t.match(await box.run('echo out; echo err >&2; exit 3'), { status: 3, stdout: 'out\n', stderr: 'err\n' })
    await t.rejects(box.sh('echo out; echo err >&2; exit 3'), /status 3\n.*\nstdout: out\nstderr: err/)
  })
  await t.test('are ended with everything below them when their time is over', async (t) => {
    const result = await box.run('setsid sleep 1000 & sleep 1000', { timeoutMs: 200 })
    t.match(result, { timedOut: true, signal: 'SIGKILL' })
    t.same(await settled(box), [])
  })
  await t.test('tell when something they left behind holds their output', async (t) => {
    t.equal((await box.run('sleep 1 &')).heldOpen, true)
    t.equal((await box.run('sleep 1 >/dev/null 2>&1 &')).heldOpen, false)
    t.same(await settled(box), [], 'and pid 1 buries orphans')
  })
  await t.test('can go on in the background', async (t) => {
    const running = box.spawn('echo ready; read -r x; echo "got $x"; exec sleep 1000', { input: 'pipe' })
    await running.waitFor(/ready/)
    running.child.stdin?.write('this\n')
    await running.waitFor(/got this/)
    const { pid } = await box.pidOf(running)
    t.match(box.processes(), [{ pid, mntNs: box.host.mntNs }])
    t.match(await box.end(running), { signal: 'SIGTERM' })
  })
})

t.test('logins', { skip }, async (t) => {
  await using box = await Sandbox.start()
  await box.startSshd({ pamLines: ['session optional pam_exec.so quiet /bin/touch /run/opened'] })
  await box.pam('su', ['auth sufficient pam_rootok.so', ...plainStack(['session required pam_unix.so'])])
  await box.pam('sudo', plainStack(['session required pam_unix.so']))
  const before = await box.snapshot()

  await t.test('ssh, scp and sftp, with keys', async (t) => {
    t.match(await box.ssh('alice', 'id -un; tty'), { status: 1, stdout: 'alice\nnot a tty\n', stderr: /^$/ })
    t.match(await box.ssh('bob', 'id -un; pwd'), { status: 0, stdout: 'bob\n/home/bob\n' })
    await box.sh('test -e /run/opened')
    t.match(await box.scp('/etc/hostname', 'alice@127.0.0.1:/tmp/scp'), { status: 0 })
    t.match(await box.sftp('bob', ['put /etc/hostname /tmp/sftp']), { status: 0 })
    t.equal(await box.sh('stat -c "%n %U" /tmp/*'), '/tmp/scp alice\n/tmp/sftp bob\n')
    t.match((await box.syslog()).join('\n'), /^authpriv\.info sshd: .*session opened for user alice/m)
  })
  await t.test('su and sudo', async (t) => {
    t.equal(await box.sh('su bob -c "id -un"'), 'bob\n')
    t.equal(await box.sh('su bob -c "id -un"', { user: 'alice' }), 'bob\n')
    t.equal(await box.sh('sudo id -un', { user: 'alice' }), 'root\n')
    t.match((await box.ssh('alice', 'sudo -u bob id -un')).stdout, 'bob')
  })
  await settled(box, before.processes.length)
  t.same(await box.snapshot(), before, 'leave mounts and processes as they were')
})

t.test('ssh is back when sshd has closed the session', { skip }, async (t) => {
  await using box = await Sandbox.start()
  await box.write(
    '/usr/local/sbin/slow',
    '#!/bin/sh\ntest $PAM_TYPE = open_session || { sleep 1; : >/run/closed; }\n',
    0o755,
  )
  await box.startSshd({ pamLines: ['session required pam_exec.so /usr/local/sbin/slow'] })
  t.match(await box.ssh('alice', 'exit 7'), { status: 7 })
  t.same(await box.sh('ls -d /run/closed'), '/run/closed\n')
})

t.test('SLURM runs jobs, steps open PAM sessions, and the epilog runs', { skip }, async (t) => {
  await using box = await Sandbox.start({ name: 'node1' })
  await startSlurm(box, {
    pamLines: ['session required pam_exec.so quiet /bin/touch /run/opened'],
    epilog: '#!/bin/sh\nenv >/run/epilog.new && mv /run/epilog.new /run/epilog\n',
  })
  t.equal(await box.sh('srun id -un', { user: 'alice' }), 'alice\n')
  await box.sh('test -e /run/opened')
  t.match(await box.sh('until cat /run/epilog 2>/dev/null; do sleep 0.05; done'), /SLURM_JOB_USER=alice/)
})

t.test('a user can mount by FUSE', { skip: needs('root', 'layer', 'fuse') }, async (t) => {
  await using box = await Sandbox.start()
  await box.startSshd()
  const how = { user: 'alice', cwd: '/home/alice' }
  await box.sh('mkdir m && sshfs alice@127.0.0.1:/tmp m && touch m/x', how)
  t.equal(await box.sh('ls /tmp; fusermount3 -u m', how), 'x\n')
})

t.test('the PAM application', { skip }, async (t) => {
  await using box = await Sandbox.start()
  await box.pam('plain', plainStack(['session required pam_permit.so']))
  await box.pam('refuses', plainStack(['session required pam_deny.so']))
  await box.pam('private', plainStack(['session required pam_namespace.so']))
  await box.write('/etc/security/namespace.conf', '/tmp /tmp-inst/ user root\n')
  await box.sh('mkdir -m 000 /tmp-inst; touch /tmp/of-the-host')

  await t.test('opens and closes a session that changes nothing', async (t) => {
    const env = { A: 'b' }
    const r = await box.pamApp({
      service: 'plain',
      user: 'alice',
      env,
      chdir: '/var',
      umask: 0o27,
      egid: 5001,
      threads: 1,
    })
    t.match(r, { open: 0, close: 0, pamEnv: ['A=b'] })
    t.match(r.before, { cwd: '/var', umask: '0027', gids: '0\t5001\t0\t5001', children: [], tracerPid: 0 })
    t.same(r.opened, r.before)
    t.same(r.closed, r.before)
    t.equal(r.before.mntNs, box.host.mntNs)
  })
  await t.test('reports a refused session', async (t) => {
    t.match(await box.pamApp({ service: 'refuses', user: 'alice' }), { open: 14, openText: /Cannot make/ })
  })
  await t.test('is moved by pam_namespace', async (t) => {
    const r = await box.pamApp({ service: 'private', user: 'alice', command: 'ls /tmp', after: 'ls /tmp' })
    t.match(r, { open: 0, close: 0, command: { stdout: /^$/ } })
    t.not(r.opened.mntNs, r.before.mntNs)
    t.match(r.opened.mounts.join('\n'), ' /tmp-inst/alice /tmp ')
  })
  await t.test('can be held open', async (t) => {
    const held = await box.pamHold({ service: 'private', user: 'bob' })
    t.equal(box.mntNs(held.pid), held.report.opened.mntNs)
    t.not(box.mntNs(held.pid), box.host.mntNs)
    t.match(await held.close(), { open: 0, close: 0 })
  })
  await t.test('pamtester does too', async (t) => {
    t.match(
      await box.sh('pamtester -I tty=pts/0 plain alice open_session close_session'),
      /successfully opened/,
    )
  })
})

t.test('stop names what was left running', { skip }, async (t) => {
  const box = await Sandbox.start()
  await box.sh('setsid -f sleep 1000 >/dev/null 2>&1')
  await t.rejects(box.stop(), /left running in the sandbox:\n\d+ S sleep 1000/)
  t.same(processesOf(box.host.pid1), [], 'and ends it')
})

t.test('a test process that is killed leaves nothing', { skip }, async (t) => {
  const mounts = mountLines('self')
  const hold = fileURLToPath(new URL('../support/hold.ts', import.meta.url))
  const env = Object.fromEntries(Object.entries(process.env).map(([k, v]) => [k, v ?? '']))
  const holder = start([process.execPath, ...process.execArgv, hold], { env })
  const pid1 = Number((await holder.waitFor(/^\d+$/m, 30_000))[0])
  t.ok(processesOf(pid1).length >= 4, 'pid 1, the log and two sleepers are there')
  holder.child.kill('SIGKILL')
  await holder.exited
  for (let i = 0; i < 200 && existsSync(`/proc/${pid1}`); i++) await sleep(20)
  t.notOk(existsSync(`/proc/${pid1}`))
  const left = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8')
  t.equal(left.trim(), '', 'not even its starter')
  t.same(mountLines('self'), mounts, 'the mounts out here are what they were')
})

/** What still runs in the sandbox, once it is no more than `count` processes or a while has passed. */
async function settled(box: Sandbox, count = 0) {
  for (let i = 0; i < 150 && box.processes().length > count; i++) await sleep(20)
  return box.processes()
}
