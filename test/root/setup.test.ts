/* The boot step on a real kernel: what it makes of a mount table, that it can be repeated, and that it does all or nothing. */
import t from 'tap'
import { needs } from '../support/needs.js'
import { ALL_PRIVATE, machine, nothingToDo, ok, propagation, setup } from './setup.js'

const skip = needs('root', 'layer', 'dist')

const CONFIG = `/tmp /tmp/polyns-inst/ user:noinit root
/dev/shm /var/shm-inst/ user:noinit root
/var/tmp tmpfs tmpfs root
$HOME /var/home-inst/ user:noinit root
`

t.test('on a machine whose mounts are all shared, as with systemd', { skip }, async (t) => {
  await using box = await machine(CONFIG)
  const before = box.mountinfo()

  await t.test('a dry run says what it would do and changes nothing', async (t) => {
    const start = await box.snapshot()
    const lines = await ok(t, box, '--dry-run')
    t.strictSame(lines, [
      'would    mkdir -p -m 755 /run/polyns/ns',
      'would    mkdir -p -m 700 /run/polyns/sessions /run/polyns/lock /run/polyns/jobs /run/polyns/last-good',
      'would    mkdir -m 000 /tmp/polyns-inst',
      'would    mkdir -m 000 /var/shm-inst',
      'would    mkdir -m 000 /var/home-inst',
      'already  mount --make-rshared /',
      'would    mount --bind --make-private /tmp /tmp',
      'would    mount --bind --make-private /dev/shm /dev/shm',
      'would    mount --bind --make-private /var/tmp /var/tmp',
      'already  mount --bind --make-private /tmp/polyns-inst /tmp/polyns-inst  # part of /tmp, which is private',
      'would    mount --bind --make-private /var/shm-inst /var/shm-inst',
      'would    mount --bind --make-private /var/home-inst /var/home-inst',
      'dry run: nothing was changed',
    ])
    t.same(await box.snapshot(), start)
    t.match(await box.run('ls -d /tmp/polyns-inst /var/shm-inst'), { status: 2, stdout: /^$/ })
  })

  await t.test('polydirs and parents are private after it, the rest stays shared', async (t) => {
    await box.sh('echo there >/tmp/file')
    const lines = await ok(t, box)
    t.notMatch(lines.join('\n'), /would|skipped/)
    t.strictSame(propagation(box, '/tmp', '/var/tmp', '/dev/shm', '/var/shm-inst'), [
      '/dev/shm shared',
      '/tmp private',
      '/dev/shm private',
      '/var/tmp private',
      '/var/shm-inst private',
    ])
    t.equal(box.mountinfo().length, before.length + 5)
    t.same(box.mountinfo().slice(0, before.length), before, 'no mount that was there has changed')
    t.equal(await box.sh('cat /tmp/file'), 'there\n')
    t.equal(
      await box.sh('stat -c "%n %a %U:%G %F" /tmp/polyns-inst /var/shm-inst'),
      '/tmp/polyns-inst 0 root:root directory\n/var/shm-inst 0 root:root directory\n',
    )
    t.strictSame(
      (await box.snapshot()).runPolyns.map((line) => line.replace(/last-good\/.+/, 'last-good/FILE')),
      [
        'd 700 0:0 jobs',
        'd 700 0:0 last-good',
        'd 700 0:0 lock',
        'd 700 0:0 sessions',
        'd 755 0:0 ',
        'd 755 0:0 ns',
        'f 600 0:0 last-good/FILE',
        'f 644 0:0 boot-id',
        'f 644 0:0 setup.json',
      ],
    )
  })

  await t.test('a second run changes nothing and says so', async (t) => {
    const record = await box.read('/run/polyns/setup.json')
    await nothingToDo(t, box)
    t.equal(await box.read('/run/polyns/setup.json'), record)
  })

  await t.test('--undo gives the mount table back, and can be repeated', async (t) => {
    t.strictSame((await ok(t, box, '--undo', '--dry-run')).at(-1), 'dry run: nothing was changed')
    t.equal(box.mountinfo().length, before.length + 5)
    const lines = await ok(t, box, '--undo')
    t.same(box.mountinfo(), before)
    t.strictSame(lines, [
      'done     umount --lazy /var/home-inst',
      'done     umount --lazy /var/shm-inst',
      'done     umount --lazy /var/tmp',
      'done     umount --lazy /dev/shm',
      'done     umount --lazy /tmp',
      "skipped  rmdir /var/home-inst    # it may hold users' files",
      "skipped  rmdir /var/shm-inst     # it may hold users' files",
      "skipped  rmdir /tmp/polyns-inst  # it may hold users' files",
    ])
    t.equal(await box.sh('cat /tmp/file; ls -d /tmp/polyns-inst'), 'there\n/tmp/polyns-inst\n')
    t.strictSame(await ok(t, box, '--undo'), ['nothing to undo: nothing has been set up since the boot'])
    t.same(box.mountinfo(), before)
    await ok(t, box)
    await ok(t, box, '--undo')
    t.same(box.mountinfo(), before, 'and the same once more')
  })
})

t.test('on a machine whose mounts are all private', { skip }, async (t) => {
  await using box = await machine(CONFIG)
  await box.sh(`${ALL_PRIVATE}; mount -t tmpfs upper /dev/shm; mkdir /mnt/a; mount -t tmpfs a /mnt/a`)
  const before = box.mountinfo()

  await t.test('everything is shared but the polydirs', async (t) => {
    const lines = await ok(t, box)
    t.ok(lines.includes('done     mount --make-rshared /'))
    t.strictSame(propagation(box, '/mnt', '/tmp', '/var/tmp'), [
      '/mnt/a shared',
      '/tmp private',
      '/var/tmp private',
    ])
    const shared = box.mountinfo().filter((line) => / shared:/.test(line))
    t.equal(shared.length, before.length)
    await nothingToDo(t, box)
  })

  await t.test('--undo makes them private again, those below others too', async (t) => {
    const lines = await ok(t, box, '--undo')
    t.ok(lines.includes('done     mount --make-rprivate /'), lines.join('\n'))
    t.same(box.mountinfo(), before)
  })
})

t.test('mounts below a polydir are bound with it, and nothing of it is hidden', { skip }, async (t) => {
  await using box = await machine('/tmp /inst/ user:noinit root\n')
  await box.sh(
    'mkdir -p /tmp/a; mount -t tmpfs a /tmp/a; mkdir /tmp/a/b; mount -t tmpfs b /tmp/a/b; echo b >/tmp/a/b/file',
  )
  const before = box.mountinfo()
  const lines = await ok(t, box)
  t.ok(lines.includes('done     mount --rbind --make-rprivate /tmp /tmp'), lines.join('\n'))
  t.equal(await box.sh('cat /tmp/a/b/file'), 'b\n')
  t.strictSame(propagation(box, '/tmp').slice(-3), ['/tmp private', '/tmp/a private', '/tmp/a/b private'])
  await nothingToDo(t, box)
  await ok(t, box, '--undo')
  t.same(box.mountinfo(), before)
})

t.test('a failure half way leaves the table as it was', { skip }, async (t) => {
  await using box = await machine(CONFIG)
  await box.sh(
    `${ALL_PRIVATE}; mkdir -p /run/polyns/last-good; chmod 700 /run/polyns/last-good; echo old >/run/polyns/x`,
  )
  // The last step: keeping the configuration. A read-only mount there makes it fail.
  await box.sh('mount --bind -o ro /run/polyns/last-good /run/polyns/last-good')
  const before = box.mountinfo()
  const { status, stdout, stderr } = await setup(box)
  t.not(status, 0)
  t.equal(stdout, '')
  t.match(stderr, /EROFS/)
  t.same(box.mountinfo(), before)
  t.match(await box.run('ls /run/polyns/setup.json /tmp/polyns-inst'), { stdout: /^$/ })
  await box.sh('umount /run/polyns/last-good')
  await ok(t, box)
})

t.test('a broken configuration is refused with what check says', { skip }, async (t) => {
  await using box = await machine('/tmp /tmp/i/ usr root\n')
  const before = await box.snapshot()
  t.match(await setup(box), {
    status: 3,
    stdout: /^$/,
    stderr: /namespace\.conf:1:14: error: .*\n.*\n +\^\n/,
  })
  t.same(await box.snapshot(), before)
})

t.test('two runs at once set up everything once', { skip }, async (t) => {
  await using box = await machine(CONFIG)
  const before = box.mountinfo()
  const runs = await Promise.all(Array.from({ length: 4 }, () => setup(box)))
  t.strictSame(
    runs.map(({ status }) => status),
    [0, 0, 0, 0],
    runs.map(({ stderr }) => stderr).join(''),
  )
  t.equal(box.mountinfo().length, before.length + 5)
  await ok(t, box, '--undo')
  t.same(box.mountinfo(), before)
})
