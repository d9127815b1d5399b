/* polyns setup --undo: what it gives back, and what it must not take along. */
import t from 'tap'
import { needs } from '../support/needs.js'
import { ALL_PRIVATE, machine, ok, propagation, setup } from './setup.js'

const skip = needs('root', 'layer', 'dist')

const CONFIG = `/tmp /tmp/polyns-inst/ user:noinit root
/dev/shm /var/shm-inst/ user:noinit root
/var/tmp tmpfs tmpfs root
$HOME /var/home-inst/ user:noinit root
`

t.test('on a machine with some of everything', { skip }, async (t) => {
  await using box = await machine(CONFIG)
  await box.sh(`${ALL_PRIVATE}
    mkdir -p /m/{unbindable,slave,shared,alone}
    for m in unbindable shared alone; do mount -t tmpfs $m /m/$m; done
    mount --make-unbindable /m/unbindable; mount --make-shared /m/shared
    mount --bind /m/shared /m/slave; mount --make-slave /m/slave`)
  const before = box.mountinfo()
  await ok(t, box)
  t.ok(propagation(box, '/m').every((line) => / shared/.test(line)))

  await t.test('each becomes again what it was', async (t) => {
    await ok(t, box, '--undo')
    t.same(box.mountinfo(), before)
  })

  await t.test('what came later stays, and what is covered now waits for the next --undo', async (t) => {
    await ok(t, box)
    await box.sh(
      'mkdir /m/later; mount -t tmpfs later /m/later; mount -t tmpfs cover /m/alone; mount -t tmpfs top /tmp',
    )
    const { status, stdout } = await setup(box, '--undo')
    t.equal(status, 1)
    t.match(stdout, /blocked {2}umount --lazy \/tmp +# top on \/tmp lies on it: unmount that first/)
    t.match(stdout, /blocked {2}mount --make-private \/m\/alone +# cover on \/m\/alone lies on it/)
    t.strictSame(propagation(box, '/m/later', '/m/alone', '/tmp'), [
      '/m/alone shared',
      '/tmp private',
      '/m/later shared',
      '/m/alone shared',
      '/tmp private',
    ])
    await box.sh('umount /m/later; umount /m/alone; umount /tmp')
    await ok(t, box, '--undo')
    t.same(box.mountinfo(), before)
    t.equal((await box.run('ls /run/polyns/setup.json')).status, 2)
  })
})

t.test('a mount that came later below a polydir does not go with it', { skip }, async (t) => {
  await using box = await machine(CONFIG)
  await box.sh('mkdir -p /tmp/before /tmp/later; mount -t tmpfs before /tmp/before')
  const before = box.mountinfo()
  await ok(t, box)
  await box.sh('mount -t tmpfs scratch /tmp/later; echo data >/tmp/later/file')
  for (const args of [['--undo', '--dry-run'], ['--undo'], ['--undo']]) {
    const { status, stdout, stderr } = await setup(box, ...args)
    t.match({ status, stderr }, { status: 1, stderr: /^$/ })
    t.match(
      stdout,
      /^blocked {2}umount --lazy \/tmp +# scratch on \/tmp\/later lies on it: unmount that first$/m,
    )
    t.match(stdout, /^what is blocked stays as it is: unmount what lies on it, then run .* again$/m)
    t.equal(await box.sh('cat /tmp/later/file'), 'data\n')
  }
  t.strictSame(propagation(box, '/dev/shm'), ['/dev/shm shared'], 'the rest is taken back')
  await box.sh('umount /tmp/later')
  t.strictSame(await ok(t, box, '--undo'), ['done     umount --lazy /tmp'])
  t.same(box.mountinfo(), before)
})

t.test('what somebody has unmounted by hand is told, and is no hindrance', { skip }, async (t) => {
  await using box = await machine(CONFIG)
  const before = box.mountinfo()
  await ok(t, box)
  await box.sh('for m in /tmp /var/tmp /dev/shm /var/shm-inst /var/home-inst; do umount $m; done')
  const lines = await ok(t, box, '--undo')
  t.match(lines[0], /^already {2}umount --lazy \/var\/home-inst +# it is not mounted any more$/)
  t.equal(lines.at(-1), 'nothing is left to undo')
  t.same(box.mountinfo(), before)
})

t.test(
  'after something has made / private again, setup and --undo still do all of it',
  { skip },
  async (t) => {
    await using box = await machine(CONFIG)
    await box.sh(ALL_PRIVATE)
    const before = box.mountinfo()
    await ok(t, box)
    await box.sh(ALL_PRIVATE)
    const lines = await ok(t, box)
    t.ok(lines.includes('done     mount --make-rshared /'))
    t.match(propagation(box, '/tmp').at(-1), '/tmp private')
    t.match(
      (await ok(t, box, '--undo', '--dry-run')).join('\n'),
      /^((would|skipped) .*\n)+dry run: nothing was changed$/,
    )
    await ok(t, box, '--undo')
    t.same(box.mountinfo(), before)
  },
)
