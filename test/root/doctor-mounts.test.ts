/* Doctor's findings about mounts, instance parents and room: each is made true, seen, mended by its own command, and gone. */
import t from 'tap'
import { doctor, findingsOf, mends } from '../support/doctor.js'
import { installPolyns, POLYNS } from '../support/install.js'
import { needs } from '../support/needs.js'
import { Sandbox } from '../support/sandbox.js'

const skip = needs('root', 'layer', 'dist')

/** The checks of mounts, instances, systemd's habits and what is left over. */
const OURS =
  /^(?:setup-done|instance-.*|network-parent|propagation-.*|polydir-flags|hidden-mounts|tmp.*|remove-ipc|linger|run-space|slurm-.*|locks-.*|orphan-.*|stale-.*|leftovers|nobodys-.*)$/

async function machine(config?: string): Promise<Sandbox> {
  const box = await Sandbox.start()
  await installPolyns(box, config)
  await box.sh([POLYNS, 'setup'])
  return box
}

t.test('where polyns is set up there is nothing to say', { skip }, async (t) => {
  await using box = await machine()
  await box.sh('mkdir -p /run/systemd/system')
  const found = (await doctor(box)).found.filter(({ id }) => OURS.test(id))
  t.ok(found.length >= 10, `${found.length} findings`)
  t.strictSame(
    found.filter(({ severity }) => severity === 'warning' || severity === 'error'),
    [],
  )
  t.strictSame(
    found.filter(({ severity }) => severity === 'note').map(({ id }) => id),
    ['remove-ipc'],
  )
})

t.test('mounts', { skip }, async (t) => {
  await using box = await machine()
  await mends(t, box, {
    id: 'setup-done',
    break: 'rm /run/polyns/boot-id',
    severity: 'warning',
    saw: /there is no \/run\/polyns\/boot-id/,
  })
  await mends(t, box, {
    id: 'setup-done',
    break: 'echo another >/run/polyns/boot-id',
    severity: 'warning',
    saw: /of another boot/,
  })
  await mends(t, box, {
    id: 'propagation-polydir',
    break: 'mount --make-shared /tmp',
    severity: 'warning',
    saw: /^\/tmp is not private/,
  })
  await mends(t, box, {
    id: 'propagation-tree',
    break: 'mkdir /data; mount -t tmpfs data /data; mount --make-private /data',
    severity: 'note',
    saw: /^\/data \(tmpfs\) is private/,
  })
  await mends(t, box, {
    id: 'hidden-mounts',
    break: 'mkdir -p /tmp/.X/deep; mount -t tmpfs x /tmp/.X/deep',
    severity: 'note',
    saw: /^\/tmp\/\.X\/deep \(tmpfs\) is mounted below \/tmp/,
    by: "sed -i '1s/noinit/noinit:keep=.X/' /etc/polyns/namespace.conf",
  })
  await mends(t, box, {
    id: 'propagation-root',
    break: 'mount --make-private /',
    severity: 'warning',
    saw: /\/ is private, not shared/,
  })
  t.strictSame(await findingsOf(box, 'propagation-polydir'), [])
})

t.test('instance parents', { skip }, async (t) => {
  await using box = await machine()
  const parent = '/tmp/polyns-inst'
  for (const [what, make, saw] of [
    ['mode', `chmod 755 ${parent}`, /wrong mode/],
    ['group', `chgrp alice ${parent}`, /wrong group/],
    ['ACL', `setfacl -m u:alice:rwx ${parent}`, /wrong (?:mode, )?acl/],
    ['owner', `chown alice ${parent}`, /belongs to uid 5001/],
    ['symbolic link', `rmdir ${parent}; ln -s /etc ${parent}`, /is a symbolic link/],
    ['file', `rmdir ${parent}; touch ${parent}`, /is not a directory but a file/],
  ] as const) {
    await t.test(what, async (t) => {
      await mends(t, box, { id: 'instance-parents', break: make, severity: 'error', saw })
      t.match(await box.sh(`stat -c '%a %U:%G %F' ${parent}`), /^0 root:root directory\n$/)
      await box.sh(`rm -rf ${parent}.aside`)
    })
  }
  await mends(t, box, {
    id: 'instance-parents',
    break: `rmdir ${parent}`,
    severity: 'warning',
    saw: /polyns-inst is not there/,
  })

  await t.test('an unsafe one gives status 5', async (t) => {
    await box.sh(`chmod 755 ${parent}`)
    t.match(await box.run([POLYNS, 'doctor']), { status: 5, stdout: /instance-parents: .*wrong mode/ })
    await box.sh(`chmod 000 ${parent}`)
  })

  await t.test('in a directory that is not there', async (t) => {
    await mends(t, box, {
      id: 'instance-parents',
      break: "echo '/var/tmp /srv/a/b/inst/ user:noinit root' >>/etc/polyns/namespace.conf",
      severity: 'error',
      saw: /\/srv\/a\/b, which is to hold .* is not there/,
    })
  })

  await t.test("in a user's directory: a person has to choose another", async (t) => {
    await mends(t, box, {
      id: 'instance-parents',
      break: 'chown alice /srv/a/b',
      severity: 'error',
      saw: /\/srv\/a\/b: a user can rename/,
      by: 'chown root /srv/a/b',
    })
  })
})

t.test('flags that the real directory has, and the private one has not', { skip }, async (t) => {
  await using box = await machine('/tmp /inst/ user:noinit root\n  /dev/shm tmpfs tmpfs root\n')
  await mends(t, box, {
    id: 'polydir-flags',
    break: 'mount -o remount,bind,nosuid,noexec /tmp',
    severity: 'warning',
    saw: /namespace\.conf:1: \/tmp is nosuid,noexec, the private one is not/,
  })
  t.match(await box.read('/etc/polyns/namespace.conf'), /^\/tmp \/inst\/ user:noinit:nosuid:noexec root$/m)
  const [shm, ...others] = await findingsOf(box, 'polydir-flags')
  t.match(shm?.saw, /namespace\.conf:2: \/dev\/shm is nosuid,nodev/)
  t.strictSame(others, [])
  await box.sh(['sh', '-ec', shm?.mend.join('\n') ?? ''])
  t.strictSame(await findingsOf(box, 'polydir-flags'), [])
  t.match(await box.run([POLYNS, 'check']), { status: 0 })
})

t.test(
  'a network file system that hangs is told, and waited for by nobody',
  { skip: skip || needs('fuse') },
  async (t) => {
    await using box = await machine()
    // Nobody ever answers what the kernel asks through this descriptor.
    const options = 'fd=3,rootmode=40000,user_id=0,group_id=0'
    const mount = `mkdir -p /net; exec 3<>/dev/fuse; mount -i -t fuse.sshfs -o ${options} host:/x /net; echo ready; exec sleep 600`
    const hung = box.spawn(mount)
    await hung.waitFor(/ready/)
    await mends(t, box, {
      id: 'network-parent',
      break: "echo '/var/tmp /net/inst/ user:noinit root' >>/etc/polyns/namespace.conf",
      severity: 'warning',
      saw: /^\/net\/inst is on \/net \(fuse\.sshfs from host:\/x\)$/,
      by: "sed -i '$d' /etc/polyns/namespace.conf",
    })
    await box.sh("echo '/net /var/net-inst/ user:noinit root' >>/etc/polyns/namespace.conf")
    t.ok((await doctor(box)).found.length > 10, 'nor where it is a polydir')
    await box.sh('umount -l /net')
  },
)

t.test('room', { skip }, async (t) => {
  await using box = await Sandbox.start()
  await installPolyns(box, '/tmp /small/inst/ user:noinit root\n')
  await box.sh(`mkdir /small; mount -t tmpfs -o size=1m small /small; ${POLYNS} setup`)
  await mends(t, box, {
    id: 'instance-space',
    break: 'head -c 2M /dev/zero >/small/fill || true',
    severity: 'note',
    saw: /the file system on \/small\S* has only 0 KiB left/,
    by: 'rm /small/fill',
  })
  await mends(t, box, {
    id: 'run-space',
    break: 'mount -o remount,size=4m /run; head -c 8M /dev/zero >/run/fill || true',
    severity: 'error',
    saw: /^\/run \(tmpfs\) has only \d+ KiB left/,
  })
  await mends(t, box, {
    id: 'run-space',
    break:
      'used=$(df --output=iused /run | tail -n 1); mount -o remount,nr_inodes=$((used + 50)) /run; ' +
      'for i in {1..60}; do : >/run/inode.$i || break; done 2>/dev/null; true',
    severity: 'error',
    saw: /^\/run \(tmpfs\) has only \d+ inodes left/,
  })
})
