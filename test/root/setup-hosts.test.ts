/* polyns setup where it is not simply root of the machine: in another namespace, as a user, in a chroot, in a container. */
import t from 'tap'
import { POLYNS } from '../support/install.js'
import { needs } from '../support/needs.js'
import { ALL_PRIVATE, machine, ok, propagation, setup } from './setup.js'

const skip = needs('root', 'layer', 'dist')

t.test('from inside a private namespace it is the host that is set up', { skip }, async (t) => {
  await using box = await machine('/tmp /tmp/polyns-inst/ user:noinit root\n')
  const before = box.mountinfo().length
  const inside = await box.run(
    `unshare --mount bash -c 'mount -t tmpfs mine /tmp; cat /proc/self/mountinfo >/root/a; ${POLYNS} setup >/root/out; cat /proc/self/mountinfo >/root/b; diff /root/a /root/b'`,
  )
  t.match(inside, { status: 0, stdout: /^$/, stderr: /^$/ })
  t.equal(box.mountinfo().length, before + 1)
  t.strictSame(propagation(box, '/tmp'), ['/tmp private'])
})

t.test('as an ordinary user only a dry run', { skip }, async (t) => {
  await using box = await machine(
    '/tmp /tmp/polyns-inst/ user:noinit root\n/closed/x /closed/i/ user:noinit root\n',
  )
  await box.sh('mkdir -m 700 /closed')
  t.match(await box.run([POLYNS, 'setup'], { user: 'alice' }), {
    status: 4,
    stderr: /needs root, but runs as uid 5001/,
  })
  t.match(await box.run([POLYNS, 'setup', '--undo'], { user: 'alice' }), { status: 4 })
  const { status, stdout, stderr } = await box.run([POLYNS, 'setup', '--dry-run'], { user: 'alice' })
  t.match({ status, stderr }, { status: 0, stderr: /the view of the calling process/ })
  t.match(stdout, /would +mkdir -m 000 \/tmp\/polyns-inst/)
  t.match(
    stdout,
    /skipped +mount --bind --make-private \/closed\/x \/closed\/x +# cannot be looked at without root/,
  )
})

t.test('in a chroot, where / is no mount point', { skip }, async (t) => {
  await using box = await machine('/tmp /tmp/polyns-inst/ user:noinit root\n')
  await box.sh(`mkdir /c; cd /c; for d in usr etc opt proc run tmp dev; do mkdir $d; mount --rbind /$d $d; done
    cp -a /bin /sbin /lib* . 2>/dev/null || true`)
  const before = box.mountinfo()
  const chroot = (...args: string[]) => box.run(['chroot', '/c', POLYNS, 'setup', ...args])
  t.match(await chroot(), { status: 4, stdout: /^$/, stderr: /\/ is not a mount point.*--keep-root/ })
  t.same(box.mountinfo(), before)
  t.match(await chroot('--keep-root'), { status: 0, stdout: /done +mount --bind --make-private \/tmp \/tmp/ })
  t.match(await chroot('--undo'), { status: 0 })
  t.same(box.mountinfo(), before)
})

t.test('in a chroot whose / is a mount point', { skip }, async (t) => {
  await using box = await machine('/tmp /tmp/polyns-inst/ user:noinit root\n')
  await box.sh('mkdir /c; mount --rbind / /c; rmdir /c/c 2>/dev/null || true')
  const before = box.mountinfo()
  for (const args of [[], ['--dry-run']]) {
    t.match(await box.run(['chroot', '/c', POLYNS, 'setup', ...args]), {
      status: 4,
      stdout: /^$/,
      stderr:
        /this is a chroot: \/ is not the root directory of pid 1 \(sandbox\.sh\); leave it and run setup outside/,
    })
  }
  t.same(box.mountinfo(), before)
})

t.test('in a container that is none of the machine’s', { skip }, async (t) => {
  await using box = await machine('/tmp /tmp/polyns-inst/ user:noinit root\n')
  await box.sh(ALL_PRIVATE)
  const before = await box.snapshot()
  for (const [engine, make, clean] of [
    ['docker', 'touch /.dockerenv', 'rm /.dockerenv'],
    ['podman', 'touch /run/.containerenv', 'rm /run/.containerenv'],
    [
      'systemd-nspawn',
      'mkdir /run/host; echo systemd-nspawn >/run/host/container-manager',
      'rm -r /run/host',
    ],
    ['lxc', 'mkdir -p /run/systemd; echo lxc >/run/systemd/container', 'rm -r /run/systemd'],
  ] as const) {
    await t.test(engine, async (t) => {
      await box.sh(make)
      const what = `this is a container \\(${engine}: /\\S+\\): / is a private overlay, and pid 1 \\(sandbox.sh\\) is not the machine's`
      const remedy =
        "run setup on the machine itself; .* run 'mount --make-rshared /' in it first, .*--keep-root"
      const answer = {
        status: 4,
        stdout: /^$/,
        stderr: new RegExp(`^polyns: making / shared: ${what}.*${remedy}\n$`),
      }
      t.match(await setup(box), answer)
      t.match(await setup(box, '--dry-run'), answer)
      t.match(await box.run([POLYNS, 'setup', '--dry-run'], { user: 'alice' }), {
        status: 4,
        stderr: /this is a container/,
      })
      await box.sh(clean)
      t.same(await box.snapshot(), before)
    })
  }

  await t.test('one that is a machine of its own is set up: its / is shared, or is to be kept', async (t) => {
    await box.sh('touch /.dockerenv; ln -s . /elsewhere')
    t.match((await ok(t, box, '--keep-root')).join('\n'), /done +mount --bind --make-private \/tmp \/tmp/)
    await ok(t, box, '--undo')
    await box.sh('mount --make-rshared /')
    t.match((await ok(t, box)).join('\n'), /already +mount --make-rshared \/\n/)
    await ok(t, box, '--undo')
    await box.sh(`${ALL_PRIVATE}; rm /.dockerenv; ln -s /etc/passwd /.dockerenv`)
    t.match(
      (await ok(t, box)).join('\n'),
      /done +mount --make-rshared \/\n/,
      'a symbolic link is no sign of one',
    )
    await ok(t, box, '--undo')
    t.same(box.mountinfo(), before.mounts)
  })
})

t.test('in a container that has no file to tell it, but its pid 1', { skip }, async (t) => {
  for (const variable of ['container=podman', 'KUBERNETES_SERVICE_HOST=10.0.0.1']) {
    await using box = await machine('/tmp /tmp/polyns-inst/ user:noinit root\n')
    const inner = `mount -t proc proc /proc; ${POLYNS} setup; echo "status $?"`
    const { stdout, stderr } = await box.run([
      'unshare',
      '--mount',
      '--propagation',
      'private',
      '--pid',
      '--fork',
      'env',
      variable,
      'bash',
      '-c',
      inner,
    ])
    t.equal(stdout, 'status 4\n')
    t.match(
      stderr,
      new RegExp(`this is a container \\(${variable} in the environment of pid 1\\): .*pid 1 \\(bash\\)`),
    )
  }
})

t.test('without the rights, as root in most containers', { skip }, async (t) => {
  await using box = await machine('/tmp /tmp/polyns-inst/ user:noinit root\n')
  const before = await box.snapshot()
  const refused = await box.run([
    'setpriv',
    '--bounding-set',
    '-sys_admin',
    '--inh-caps',
    '-sys_admin',
    POLYNS,
    'setup',
  ])
  t.match(refused, {
    status: 4,
    stdout: /^$/,
    stderr: /setting up the host: CAP_SYS_ADMIN: missing; needed to .*mounts/,
  })
  t.same((await box.snapshot()).mounts, before.mounts)
  t.match(await box.run('ls /run/polyns/setup.json /tmp/polyns-inst'), { stdout: /^$/ })
})
