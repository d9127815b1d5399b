/* polyns setup --share and --keep-root: where mounts shall spread, and where not. */
import t from 'tap'
import { needs } from '../support/needs.js'
import { ALL_PRIVATE, machine, nothingToDo, ok, propagation, setup } from './setup.js'

const skip = needs('root', 'layer', 'dist')

t.test('--keep-root leaves / and what is private alone', { skip }, async (t) => {
  await using box = await machine('/tmp /tmp/i/ user:noinit root\n/dev/shm /dev/shm/i/ user:noinit root\n')
  await box.sh(ALL_PRIVATE)
  const before = box.mountinfo()
  const lines = await ok(t, box, '--keep-root')
  t.match(lines.join('\n'), /^skipped {2}mount --make-rshared \/ +# --keep-root$/m)
  t.equal(box.mountinfo().length, before.length + 1, '/dev/shm is a private mount already')
  t.notMatch(box.mountinfo().join('\n'), /shared/)
  await ok(t, box, '--undo')
  t.same(box.mountinfo(), before)
})

t.test('--share', { skip }, async (t) => {
  await using box = await machine('/tmp /inst/ user:noinit root\n')
  await box.sh(`${ALL_PRIVATE}; mkdir -p /s/plain /s/mounted; mount -t tmpfs s /s/mounted`)
  const before = box.mountinfo()
  const args = ['--keep-root', '--share', '/s/plain', '--share', '/s/mounted']
  await ok(t, box, ...args)
  t.strictSame(propagation(box, '/s'), ['/s/mounted shared', '/s/plain shared'])
  t.strictSame((await ok(t, box, ...args)).at(-1), 'nothing to do: all but what is skipped is set up')

  await t.test('a mount made there reaches a namespace that was made before it, once', async (t) => {
    const other = box.spawn(
      'unshare --mount --propagation slave bash -c "echo ready; read; grep -c /s/plain/m /proc/self/mountinfo"',
      {
        input: 'pipe',
      },
    )
    await other.waitFor(/ready/)
    await box.sh('mkdir /s/plain/m; mount -t tmpfs m /s/plain/m')
    t.equal(box.mountinfo().filter((line) => line.includes(' /s/plain/m ')).length, 1, 'and is there once')
    other.child.stdin?.end('go\n')
    t.match(await other.exited, { stdout: 'ready\n1\n' })
    await box.sh('umount /s/plain/m')
  })

  await ok(t, box, '--undo')
  t.same(box.mountinfo(), before)
  t.match(await setup(box, '--share', '/tmp'), { status: 2, stderr: /the configuration makes private/ })
  await box.sh('mkdir /tmp/in; mkdir -p /inst; ln -s s /link; touch /file')
  for (const [path, status, stderr] of [
    [
      '/tmp/in',
      2,
      /--share \/tmp\/in is in \/tmp, which the configuration makes private: no session would see it/,
    ],
    ['/', 2, /--share \/ would share \/tmp, which the configuration makes private/],
    ['/inst', 2, /--share \/inst would share \/inst, which the configuration makes private/],
    ['/nope', 1, /--share \/nope, which must be there: .*ENOENT/],
    ['/s/plain/nope/deep', 1, /--share \/s\/plain\/nope\/deep, which must be there: .*ENOENT/],
    ['/link', 5, /\/link: is a symbolic link; name the directory itself/],
    ['/file', 5, /\/file: is not a directory but a file/],
  ] as const) {
    // The good one first: nothing of it is done either.
    const refused = await setup(box, '--share', '/s/plain', '--share', path)
    t.match(refused, { status, stdout: /^$/, stderr }, path)
    t.match(await setup(box, '--dry-run', '--share', path), { status, stdout: /^$/, stderr }, path)
  }
  t.same(box.mountinfo(), before)
})

t.test(
  'trees on a machine whose mounts are shared: only what is private in them is changed',
  { skip },
  async (t) => {
    await using box = await machine('/tmp /inst/ user:noinit root\n')
    await box.sh(`mkdir -p /mnt/{nfs,disk} /autofs
    for m in /mnt/nfs /mnt/disk /autofs; do mount -t tmpfs \${m##*/} $m; done
    mkdir /mnt/disk/part /autofs/home; mount -t tmpfs part /mnt/disk/part; mount -t tmpfs home /autofs/home
    mount --make-rprivate /mnt/disk; mount --make-private /autofs/home`)
    const before = box.mountinfo()
    const args = ['--share', '/autofs', '--share', '/mnt']
    const lines = await ok(t, box, ...args)
    t.match(lines.slice(-3), [
      /^done {5}mount --make-rshared \/autofs$/,
      /^already {2}mount --make-rshared \/mnt +# part of \/, which is shared$/,
      /^done {5}mount --make-rshared \/mnt\/disk$/,
    ])
    t.equal(
      box.mountinfo().length,
      before.length + 2,
      'the polydir and the instance parent, and nothing for the trees',
    )
    t.notMatch(propagation(box, '/mnt', '/autofs').join('\n'), /private/)
    await nothingToDo(t, box, ...args)
    await ok(t, box, '--undo')
    t.same(box.mountinfo(), before)
  },
)

t.test('one tree in another, in whatever order, gets no mount of its own', { skip }, async (t) => {
  await using box = await machine('/tmp /inst/ user:noinit root\n')
  await box.sh(`${ALL_PRIVATE}; mkdir -p /s/inner`)
  const before = box.mountinfo()
  const lines = await ok(t, box, '--keep-root', '--share', '/s/inner', '--share', '/s')
  t.match(lines.at(-1), /^already {2}mount --make-rshared \/s\/inner +# part of \/s, which is shared$/)
  t.strictSame(propagation(box, '/s'), ['/s shared'])
  await ok(t, box, '--undo')
  t.same(box.mountinfo(), before)
})

t.test('what was mounted in a shared tree since does not go with --undo', { skip }, async (t) => {
  await using box = await machine('/tmp /inst/ user:noinit root\n')
  await box.sh(`${ALL_PRIVATE}; mkdir -p /s/m`)
  const before = box.mountinfo()
  await ok(t, box, '--keep-root', '--share', '/s')
  await box.sh('mount -t tmpfs m /s/m')
  t.match(await setup(box, '--undo'), {
    status: 1,
    stdout: /blocked +umount --lazy \/s +# m on \/s\/m lies on it/,
  })
  t.strictSame(propagation(box, '/s'), ['/s shared', '/s/m shared'])
  await box.sh('umount /s/m')
  await ok(t, box, '--undo')
  t.same(box.mountinfo(), before)
})
