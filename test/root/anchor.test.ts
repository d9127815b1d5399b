/*
 * What the host does at a polydir takes nothing from the sessions that run: they keep their instance, and what is in it,
 * where `polyns setup` has not been run. Each case is real mounts under a real login.
 */
import t, { type Test } from 'tap'
import { PAM_LINE, POLYNS, TMP_AND_SHM } from '../support/install.js'
import { needs } from '../support/needs.js'
import type { Sandbox } from '../support/sandbox.js'
import { machine, ok } from './setup.js'
import { Shell } from './shell.js'

const skip = needs('root', 'layer', 'dist')
t.setTimeout(400_000) // many machines, one after the other

/** What is done on the host under a session; D is the polydir. What it leaves mounted is unmounted, top first. */
const DEEDS: Record<string, string> = {
  'a bind': 'mount --bind $D $D',
  'another one': 'mount --bind $D $D',
  'two of them': 'mount --bind $D $D; mount --bind $D $D',
  'one unmounted lazily': 'mount --bind $D $D; umount -l $D',
  'a recursive one': 'mount --rbind $D $D; umount -R $D',
  'one made private': 'mount --bind $D $D; mount --make-private $D',
  'a tmpfs': 'mount -t tmpfs deed $D',
  'a tmpfs with another in it':
    'mount -t tmpfs deed $D; mkdir $D/sub; mount -t tmpfs below $D/sub; umount $D/sub',
  'the same, lazily': 'mount -t tmpfs deed $D; mkdir $D/sub; mount -t tmpfs below $D/sub; umount -l $D',
  'a tmpfs on a bind': 'mount --bind $D $D; mount -t tmpfs deed $D',
  'a mount moved there':
    'mkdir -p /mnt/a; mount -t tmpfs a /mnt/a; mount --make-private /mnt/a; mkdir /mnt/a/b; mount -t tmpfs b /mnt/a/b; mount --move /mnt/a/b $D; umount /mnt/a',
}

/** How the polydirs are mounted before the session. */
const LAYOUTS: Record<string, string> = {
  '/tmp on the root file system': 'true',
  '/tmp a shared tmpfs': 'mount -t tmpfs -o mode=1777 tmpfs /tmp',
  'both bound on themselves': 'for d in /tmp /dev/shm; do mount --bind $d $d; done',
}

/** What was there before the session, and is taken away under it for good. */
const ENDS: Record<string, { before: string; end: string }> = {
  'binds of both': { before: LAYOUTS['both bound on themselves'] ?? '', end: 'umount /tmp /dev/shm' },
  'two binds, lazily': {
    before: 'mount --bind /tmp /tmp; mount --bind /tmp /tmp',
    end: 'while mountpoint -q /tmp; do umount -l /tmp; done',
  },
  'the file system of /tmp, lazily': {
    before: 'mount -t tmpfs -o mode=1777 tmpfs /tmp; mkdir /tmp/sub; mount -t tmpfs below /tmp/sub',
    end: 'umount -l /tmp',
  },
}

const POLYDIRS = ['/tmp', '/dev/shm']

/** A login that leaves a file of its own in both. */
async function login(box: Sandbox, user: string): Promise<Shell> {
  const shell = await Shell.open(box, user)
  await shell.run(POLYDIRS.map((dir) => `echo mine >${dir}/mine`).join('; '))
  return shell
}

/** Whether it still sees its own directories, and gets what the host mounts elsewhere. */
async function seen(box: Sandbox, shell: Shell): Promise<string> {
  await box.sh('mkdir -p /mnt/new; mount -t tmpfs new /mnt/new; echo from the host >/mnt/new/file')
  const text = await shell.run('cat /mnt/new/file; cd /; ls -A /tmp /dev/shm; cat /tmp/mine /dev/shm/mine')
  await box.sh('umount /mnt/new')
  return text
}
const ALL_THERE = 'from the host\n/dev/shm:\nmine\n\n/tmp:\nmine\nmine\nmine\n'

/** Mounts at a place, whether seen or not. */
const count = (dir: string) => `awk '$5 == "${dir}"' /proc/self/mountinfo | wc -l`

async function start(before: string): Promise<Sandbox> {
  const box = await machine(TMP_AND_SHM)
  await box.sh(`${before}; mkdir -m 000 /tmp/polyns-inst /dev/shm/polyns-inst`)
  await box.startSshd({ pamLines: [PAM_LINE] })
  return box
}

async function allDeeds(t: Test, box: Sandbox, shell: Shell): Promise<void> {
  for (const [name, deed] of Object.entries(DEEDS)) {
    for (const dir of POLYDIRS) {
      const undo = `while (($(${count(dir)}) > before)); do umount ${dir}; done`
      await box.sh(['bash', '-ec', `D=${dir}; before=$(${count(dir)}); ${deed}; ${undo}`])
      t.equal(await seen(box, shell), ALL_THERE, `${dir}: ${name}`)
    }
  }
}

for (const [layout, before] of Object.entries(LAYOUTS)) {
  t.test(`without setup, ${layout}`, { skip, timeout: 110_000 }, async (t) => {
    await using box = await start(before)
    const host = box.mountinfo()
    const shell = await login(box, 'alice')
    await allDeeds(t, box, shell)
    const anchors = box.mountinfo(shell.pid).filter((line) => / - tmpfs polyns /.test(line))
    const [options, rest] = [
      'ro,nosuid,nodev,noexec,relatime shared:\\d+',
      'tmpfs polyns rw,size=4k,nr_inodes=2,mode=555',
    ]
    t.match(
      anchors,
      POLYDIRS.flatMap((dir) => [
        new RegExp(`^/ ${dir} ${options} - ${rest}`),
        new RegExp(`^/.polyns-anchor ${dir}/.polyns-anchor ${options} - ${rest}`),
      ]),
      'two tiny mounts for each polydir, however much came and went',
    )
    t.equal(anchors.length, 4)
    const elsewhere = (line: string) => !/^\S+ \/(tmp|dev\/shm) /.test(line)
    t.strictSame(box.mountinfo().filter(elsewhere), host.filter(elsewhere), 'and none on the host')
    await shell.close()
  })
}

for (const [what, { before, end }] of Object.entries(ENDS)) {
  t.test(`without setup, unmounted for good: ${what}`, { skip }, async (t) => {
    await using box = await start(before)
    const shell = await login(box, 'alice')
    t.equal(await seen(box, shell), ALL_THERE)
    await box.sh(end)
    t.equal(await seen(box, shell), ALL_THERE)
    await allDeeds(t, box, shell)
    await shell.close()
  })
}

t.test('with setup, whose binds are unmounted under the session', { skip, timeout: 110_000 }, async (t) => {
  await using box = await start('true')
  await ok(t, box)
  const [alice, bob] = [await login(box, 'alice'), await login(box, 'bob')]
  await allDeeds(t, box, alice)
  await ok(t, box, '--undo')
  await allDeeds(t, box, alice)
  await ok(t, box)
  await box.sh('umount /tmp /dev/shm')
  await allDeeds(t, box, alice)
  t.equal(await seen(box, bob), ALL_THERE)
  await alice.close()
  await bob.close()
})

t.test('a tmpfs as private directory, one in another, and a user namespace', { skip }, async (t) => {
  await using box = await machine(`/tmp tmpfs tmpfs:noinit root
/srv/outer /srv/inst/ user:noinit:create root
/srv/outer/inner /srv/inst/inner- user:noinit:create root
/dev/shm /dev/shm/polyns-inst/ user:noinit root
`)
  await box.sh('mkdir -m 000 /srv/inst /dev/shm/polyns-inst; mkdir -p /srv/outer/inner')
  await box.startSshd({ pamLines: [PAM_LINE] })
  const shell = await login(box, 'alice')
  await allDeeds(t, box, shell)
  t.match(
    await shell.run('stat -c %U /srv/outer/inner; cd /srv/outer/inner && touch x && echo x >y && ls'),
    /^alice\nx\ny\n$/,
  )
  const nested =
    'unshare -Urm sh -c "mount --rbind / /mnt && cat /mnt/tmp/mine && umount -l /mnt; ls -A /tmp"'
  t.equal(await shell.run(nested), 'mine\nmine\n')
  t.match(await shell.run('df >/dev/null; echo $?'), '0\n')
  await shell.close()
})

t.test('what inspect tells of them', { skip }, async (t) => {
  await using box = await start('true')
  const shell = await login(box, 'alice')
  const inspect = async () => {
    const { namespace, directories, differences } = JSON.parse(
      await box.sh([POLYNS, 'inspect', `${shell.pid}`, '--json']),
    )
    t.equal(namespace.kind, 'polyns')
    return { directories, differences }
  }
  const states = (...of: string[]) => POLYDIRS.map((polydir, i) => ({ polydir, state: of[i] }))
  t.match(await inspect(), { directories: states('current', 'current'), differences: [] })
  await box.sh(`nsenter -t ${shell.pid} -m umount -l /tmp`)
  t.match(await inspect(), { directories: states('unmounted', 'current') })
  await shell.close()
})
