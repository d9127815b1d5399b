/* Real ssh logins: what each user sees, what the machine keeps, and that nothing of a session is left behind. */
import t from 'tap'
import { installPolyns, PAM_LINE } from '../support/install.js'
import { needs } from '../support/needs.js'
import { Sandbox } from '../support/sandbox.js'
import { Shell } from './shell.js'
import { settled } from './state.js'

const skip = needs('root', 'layer', 'dist')

const listen = (path: string, says: string) =>
  `setsid perl -MIO::Socket::UNIX -e '$s = IO::Socket::UNIX->new(Local => "${path}", Listen => 1) or die; ` +
  `while ($c = $s->accept) { print $c "${says}"; close $c }' >/dev/null 2>&1 & ` +
  `until [ -S ${path} ]; do sleep 0.01; done`
const connect = (path: string) =>
  `perl -MIO::Socket::UNIX -e '$s = IO::Socket::UNIX->new("${path}") or die "$!"; print <$s>'`

/** `/tmp/inst/alice /tmp` of the mounts at `point`. */
const rootsAt = (point: string, mountinfo: readonly string[]) =>
  mountinfo.flatMap((line) => {
    const [root, at] = line.split(' ')
    return at === point ? [root] : []
  })

t.test('two users who log in', { skip }, async (t) => {
  await using box = await Sandbox.start()
  await installPolyns(box)
  await box.startSshd({ pamLines: [PAM_LINE] })
  await box.sh('echo host >/tmp/f; echo host >/dev/shm/f')
  await box.ssh('alice', 'true') // the first session ever makes /run/polyns and the instance parents
  await box.ssh('bob', 'true')
  const before = await settled(box)

  await t.test('see only their own files in /tmp and /dev/shm', async (t) => {
    for (const dir of ['/tmp', '/dev/shm']) {
      for (const user of ['alice', 'bob']) {
        const r = await box.ssh(user, `ls -A ${dir}; echo ${user} >${dir}/f; cat ${dir}/f`)
        t.same([r.status, r.stdout, r.stderr], [0, `${user}\n`, ''])
      }
      t.equal((await box.ssh('alice', `cat ${dir}/f`)).stdout, 'alice\n', 'and again at the next login')
      t.equal(await box.sh(`cat ${dir}/f; ls -A ${dir}`), 'host\nf\npolyns-inst\n', 'the host sees its own')
    }
  })

  await t.test('cannot reach the instances', async (t) => {
    t.match((await box.ssh('alice', 'cat /tmp/polyns-inst/bob/f')).stderr, /No such file/)
    t.match((await box.run('cat /tmp/polyns-inst/bob/f', { user: 'alice' })).stderr, /Permission denied/)
    t.equal(await box.sh('stat -c "%a %U:%G" /tmp/polyns-inst'), '0 root:root\n')
    t.equal(
      await box.sh('stat -c "%n %a %U:%G" /tmp/polyns-inst/*'),
      '/tmp/polyns-inst/alice 1777 root:root\n/tmp/polyns-inst/bob 1777 root:root\n',
      'each is like the directory that it stands for',
    )
  })

  await t.test('have /tmp and /dev/shm mounted from their instances', async (t) => {
    const shell = await Shell.open(box, 'alice')
    const mounts = box.mountinfo(shell.pid)
    t.same(rootsAt('/tmp', mounts), ['/', '/tmp/polyns-inst/alice'], 'on an anchor')
    t.same(rootsAt('/dev/shm', mounts).at(-1), '/polyns-inst/alice')
    t.match(mounts.find((line) => line.includes(' /run/polyns/ns ')) ?? '', / ro,.* tmpfs polyns:5001 /)
    const root = mounts.find((line) => line.startsWith('/ / '))
    t.match(root, / shared:\d+ master:\d+ - /, 'the root receives mounts from the host, and hands on none')
    const tmp = mounts.find((line) => line.startsWith('/tmp/polyns-inst/alice /tmp '))
    t.match(tmp, / shared:\d+ - /, '/tmp has nothing to do with the mount that its instance is on')
    t.not(shell.mntNs, box.host.mntNs)
    t.same(box.mountinfo(), before.mounts, 'the host has no mount more')
    await shell.close()
  })

  await t.test('can connect to their own sockets and not to each other’s', async (t) => {
    const alice = await Shell.open(box, 'alice')
    await alice.run(listen('/tmp/socket', 'alice listens'))
    await alice.run(listen('/dev/shm/socket', 'alice listens'))
    t.equal((await box.ssh('alice', connect('/tmp/socket'))).stdout, 'alice listens')
    t.equal((await box.ssh('alice', connect('/dev/shm/socket'))).stdout, 'alice listens')
    t.match(await box.ssh('bob', connect('/tmp/socket')), { stdout: /^$/, stderr: /^No such file/ })
    await box.ssh('bob', listen('/tmp/socket', 'bob listens'))
    t.equal((await box.ssh('bob', connect('/tmp/socket'))).stdout, 'bob listens')
    t.equal(await alice.run(connect('/tmp/socket')), 'alice listens')
    await box.sh('pkill perl')
    await alice.close()
  })

  await t.test('find with ssh, scp and sftp what the others of these brought', async (t) => {
    await box.sh('echo brought >/root/f')
    t.match(await box.scp('/root/f', 'alice@127.0.0.1:/tmp/by-scp'), { status: 0 })
    t.equal((await box.ssh('alice', 'cat /tmp/by-scp')).stdout, 'brought\n')
    t.match(await box.sftp('alice', ['rename /tmp/by-scp /dev/shm/by-sftp']), {
      status: 1,
      stderr: /rename/, // two file systems, as on the host
    })
    t.match(await box.sftp('alice', ['put /root/f /tmp/by-sftp', 'rm /tmp/by-scp']), { status: 0 })
    t.equal((await box.ssh('alice', 'cat /tmp/by-sftp; ls /tmp/by-scp')).stdout, 'brought\n')
    t.match(await box.scp('bob@127.0.0.1:/tmp/by-sftp', '/root/got'), { stderr: /No such file/ })
    t.match(await box.run('ls /tmp/by-sftp'), { status: 2 }, 'the host does not have it')
  })

  await t.test('leave nothing behind but their instances', async (t) => {
    t.same(await settled(box), before, 'mounts, processes and /run/polyns are what they were')
  })
})

t.test('what a user leaves running keeps its view', { skip }, async (t) => {
  await using box = await Sandbox.start({ leftovers: 'ignore' })
  await installPolyns(box)
  await box.startSshd({ pamLines: [PAM_LINE] })
  await box.ssh('alice', 'echo mine >/tmp/f; setsid sleep 1000 >/dev/null 2>&1 & echo $! >/tmp/pid')
  const pid = Number((await box.ssh('alice', 'cat /tmp/pid')).stdout)
  await settled(box)
  t.match(
    box.processes().filter((p) => !p.command.includes('[listener]')),
    [{ pid, command: 'sleep 1000', uid: 5001 }],
    'no more of the session than that',
  )
  t.not(box.mntNs(pid), box.host.mntNs)
  t.equal(await box.sh(`cat /proc/${pid}/root/tmp/f`), 'mine\n')
  t.equal(rootsAt('/tmp', box.mountinfo(pid)).at(-1), '/tmp/polyns-inst/alice')
  t.equal(await box.sh('ls -A /run/polyns/sessions'), '', 'though no session is recorded any more')
  const shell = await Shell.open(box, 'alice')
  t.not(shell.mntNs, box.mntNs(pid), 'the next login has a namespace of its own')
  t.equal(await shell.run('cat /tmp/f'), 'mine\n', 'with the same files')
  await shell.close()
})

t.test('mounts', { skip }, async (t) => {
  await using box = await Sandbox.start()
  await installPolyns(box)
  await box.startSshd({ pamLines: [PAM_LINE] })
  await box.sh('mkdir /mnt/disk /mnt/bound; echo bound >/mnt/bound/f')
  const alice = await Shell.open(box, 'alice')
  const bob = await Shell.open(box, 'bob')
  const host = box.mountinfo()

  await t.test('that the host makes later arrive in running sessions, and go again', async (t) => {
    await box.sh('mount -t tmpfs disk /mnt/disk; echo disk >/mnt/disk/f')
    t.equal(await alice.run('cat /mnt/disk/f'), 'disk\n')
    await box.sh('mount --bind /mnt/bound /mnt/disk')
    t.equal(await alice.run('cat /mnt/disk/f'), 'bound\n')
    t.equal(await bob.run('cat /mnt/disk/f'), 'bound\n')
    await box.sh('umount /mnt/disk')
    t.equal(await alice.run('cat /mnt/disk/f'), 'disk\n')
    await box.sh('umount /mnt/disk')
    t.equal(await alice.run('ls -A /mnt/disk'), '')
    t.same(box.mountinfo(), host)
  })

  await t.test('that root makes in a session stay in it', async (t) => {
    const others = box.mountinfo(bob.pid)
    const enter = `nsenter -t ${alice.pid} -m --`
    await alice.run('mkdir /tmp/x')
    await box.sh(`${enter} mount -t tmpfs x /tmp/x; ${enter} mount -t tmpfs x /mnt/disk`)
    t.match(box.mountinfo(alice.pid).join('\n'), /^\/ \/tmp\/x .*^\/ \/mnt\/disk /ms)
    t.same(box.mountinfo(), host, 'not on the host')
    t.same(box.mountinfo(bob.pid), others, 'nor in another session')
    await box.sh(`${enter} touch /tmp/x/f`)
    t.equal(await box.sh('ls -A /tmp/polyns-inst/alice/x'), '', 'nor in the instance itself')
    await box.sh(`${enter} umount /tmp/x /mnt/disk`)
  })
  await alice.close()
  await bob.close()
})
