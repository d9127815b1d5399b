/* What users can put where polyns looks, and what a full or broken machine does: refused, quickly, and nothing is moved. */
import t from 'tap'
import { installPolyns, PAM_LINE, POLYNS } from '../support/install.js'
import { plainStack } from '../support/logins.js'
import { needs } from '../support/needs.js'
import { Sandbox } from '../support/sandbox.js'
import { lastLogged, shellApp, wasRefused } from './state.js'

const skip = needs('root', 'layer', 'dist')
const ALICE = { PAM_USER: 'alice' }
const POLYDIR = '/home/alice/poly'
const PARENT = '/tmp/inst'
const INSTANCE = `${PARENT}/alice`
const CONFIG = `/dev/shm /dev/shm/inst/ user:noinit root\n${POLYDIR} ${PARENT}/ user:noinit root\n`

/** Shell text that makes something else than a directory at $p. */
const OBJECTS = {
  fifo: 'mkfifo $p',
  socket: `perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => "'$p'", Listen => 1)'`,
  file: 'touch $p',
  'character device': 'touch $p; mount --bind /dev/null $p',
  'dangling symlink': 'ln -s nowhere $p',
  'symlink to itself': 'ln -s $p $p',
  'symlink to /etc': 'ln -s /etc $p',
  'symlink to another user’s directory': 'ln -s /home/bob $p',
}

t.test('something else than a directory', { skip }, async (t) => {
  await using box = await Sandbox.start()
  await installPolyns(box, CONFIG)
  await box.pam('app', plainStack([PAM_LINE]))
  const listing = 'find /etc /home /tmp /dev/shm -xdev -printf "%p %y %m %U:%G %l\\n" | sort'

  for (const [place, prepare] of [
    [POLYDIR, `mkdir -m 000 ${PARENT}`],
    [PARENT, `mkdir ${POLYDIR}`],
    [INSTANCE, `mkdir ${POLYDIR}; mkdir -m 000 ${PARENT}`],
  ] as const) {
    for (const [what, make] of Object.entries(OBJECTS)) {
      await t.test(`a ${what} at ${place} refuses the session`, async (t) => {
        await box.sh(`rm -rf ${POLYDIR} ${PARENT}; ${prepare}; p=${place}; ${make}`)
        await box.sh('mkdir -pm 000 /dev/shm/inst; mkdir -pm 1777 /dev/shm/inst/alice')
        const before = await box.sh(listing)
        t.same(await shellApp(box, ALICE), { status: 5, mntNs: box.host.mntNs })
        t.match(await lastLogged(box), place)
        t.equal(await box.sh(listing), before, 'and nothing is made or changed')
        await box.sh(`umount ${place}`).catch(() => {})
      })
    }
  }
  await t.test('leaves the application as it was', async (t) => {
    t.same(
      ...wasRefused(
        await box.pamApp({ service: 'app', user: 'alice', chdir: '/tmp', umask: 0o27, egid: 5001 }),
      ),
    )
  })
})

t.test('a directory that is not as it should be', { skip }, async (t) => {
  await using box = await Sandbox.start()
  await installPolyns(box, CONFIG)
  const cases = [
    ['a parent that a user owns', `chown alice ${PARENT}`, /tmp\/inst: owner is uid 5001, not root/],
    ['a parent of a user’s group', `chgrp alice ${PARENT}`, /tmp\/inst: group is gid 5001, not root/],
    ['a parent with mode 0777', `chmod 777 ${PARENT}`, /tmp\/inst: mode is 0777, not 0000/],
    ['a parent with mode 0700', `chmod 700 ${PARENT}`, /mode is 0700, not 0000/],
    ['a parent with an ACL', `setfacl -m u:alice:rwx ${PARENT}; chmod 0 ${PARENT}`, /tmp\/inst: has an ACL/],
    [
      'another user’s instance',
      `chown bob ${INSTANCE}`,
      /inst\/alice: owner is uid 5002, the polydir's is 5001/,
    ],
  ] as const
  for (const [what, make, why] of cases) {
    await t.test(`${what} refuses the session`, async (t) => {
      await box.sh(`rm -rf ${POLYDIR} ${PARENT}; install -d -o alice ${POLYDIR}; install -d -m 000 ${PARENT}`)
      await box.sh(`install -d -m 755 -o alice ${INSTANCE}`)
      t.match(await shellApp(box, ALICE), { status: 0 }, 'as long as all is right it opens')
      await box.sh(make)
      t.same(await shellApp(box, ALICE), { status: 5, mntNs: box.host.mntNs })
      t.match(await lastLogged(box), why)
    })
  }
  for (const [what, make, why] of [
    ['a wrong mode', 'chmod 777', /mode is 0777, the polydir's is 1777/],
    ['a wrong group', 'chgrp alice', /group is gid 5001, the polydir's is 0/],
    ['a wrong owner', 'chown alice', /owner is uid 5001, the polydir's is 0/],
    ['an ACL', 'setfacl -m u:bob:rwx', /has an ACL/],
  ] as const) {
    await t.test(`an instance of root’s polydir with ${what} refuses the session`, async (t) => {
      await box.sh(
        `rm -rf /dev/shm/inst/alice; install -d -m 1777 /dev/shm/inst/alice; ${make} /dev/shm/inst/alice`,
      )
      t.same(await shellApp(box, ALICE), { status: 5, mntNs: box.host.mntNs })
      t.match(await lastLogged(box), /\/dev\/shm\/inst\/alice: /)
      t.match(await lastLogged(box), why)
    })
  }
  await t.test('a user’s own polydir may change its mode and group at any time', async (t) => {
    await box.sh(`rm -rf /dev/shm/inst ${PARENT}; chmod 700 ${POLYDIR}; chgrp users ${POLYDIR}`)
    t.match(await shellApp(box, ALICE), { status: 0 })
    await box.sh(`chmod 755 ${POLYDIR}; chgrp alice ${POLYDIR}`)
    t.match(await shellApp(box, ALICE), { status: 0 })
  })
  await t.test('/run/polyns that others can write to refuses the session', async (t) => {
    await box.sh('chmod 777 /run/polyns/sessions')
    t.same(await shellApp(box, ALICE), { status: 5, mntNs: box.host.mntNs })
    t.match(await lastLogged(box), "/run/polyns/sessions: must be root's alone (uid 0, mode 0777)")
    await box.sh('chmod 700 /run/polyns/sessions')
    t.match(await shellApp(box, ALICE), { status: 0 })
  })
  await t.test('and so does something else in the place of its directories', async (t) => {
    const link = 'mv /run/polyns/jobs /run/moved; ln -s /run/moved /run/polyns/jobs'
    for (const [commands, what] of [
      ['rmdir /run/polyns/jobs; touch /run/polyns/jobs', 'file'],
      [`rm /run/polyns/jobs; mkdir /run/polyns/jobs; ${link}`, 'symlink'],
    ] as const) {
      await box.sh(commands)
      t.same(await shellApp(box, ALICE), { status: 5, mntNs: box.host.mntNs })
      t.match(await lastLogged(box), `/run/polyns/jobs: must be a directory, but is a ${what}; remove it`)
    }
    await box.sh('rm /run/polyns/jobs')
    t.match(await shellApp(box, ALICE), { status: 0 })
    t.equal(await box.sh("stat -c '%F %a' /run/polyns/jobs"), 'directory 700\n')
  })
})

t.test('a machine that is full', { skip }, async (t) => {
  await using box = await Sandbox.start()
  await installPolyns(box, '/tmp /mnt/inst/ user:noinit root\n')
  await box.pam('app', plainStack([PAM_LINE]))
  await shellApp(box, ALICE)
  await box.sh('rm -r /mnt/inst/alice')
  const tmpfs = (options: string, at: string) => `mount -t tmpfs -o ${options} small ${at}`
  for (const [what, make, undo, why] of [
    [
      'no inode left for the instance',
      tmpfs('nr_inodes=1,mode=000', '/mnt/inst'),
      'umount /mnt/inst',
      /mkdirat\(.*'\/mnt\/inst'.*= ENOSPC/,
    ],
    [
      'no inode left for the parent',
      `rm -r /mnt/inst; ${tmpfs('nr_inodes=1', '/mnt')}`,
      'umount /mnt',
      /mkdirat\(.*'\/mnt'.*= ENOSPC/,
    ],
    [
      'a read-only file system',
      tmpfs('ro,mode=000', '/mnt/inst'),
      'umount /mnt/inst',
      /mkdirat\(.*'\/mnt\/inst'.*= EROFS/,
    ],
    [
      'no inode left in /run',
      tmpfs('nr_inodes=1,mode=700', '/run/polyns/sessions'),
      'umount /run/polyns/sessions',
      /\/run\/polyns\/sessions.*ENOSPC|ENOSPC.*\/run\/polyns\/sessions/,
    ],
    [
      'no block left in /run',
      `${tmpfs('size=4k,mode=700', '/run/polyns/sessions')}; head -c 4096 /dev/zero >/run/polyns/sessions/full`,
      'umount /run/polyns/sessions',
      /\/run\/polyns\/sessions.*ENOSPC|ENOSPC.*\/run\/polyns\/sessions/,
    ],
    [
      'a read-only /run',
      tmpfs('ro,mode=700', '/run/polyns/sessions'),
      'umount /run/polyns/sessions',
      /\/run\/polyns\/sessions.*EROFS|EROFS.*\/run\/polyns\/sessions/,
    ],
  ] as const) {
    await t.test(`${what} refuses the session`, async (t) => {
      await box.sh(`rm -f /run/polyns/sessions/*; ${make}`)
      const before = await box.snapshot()
      const report = await box.pamApp({ service: 'app', user: 'alice', egid: 5001 })
      t.same(...wasRefused(report))
      t.match(await shellApp(box, ALICE), { status: 1 })
      t.match(await lastLogged(box), why)
      t.notMatch(await lastLogged(box), 'defect')
      t.same(await box.snapshot(), before, 'and leaves nothing')
      await box.sh(undo)
      await box.sh('mkdir -pm 000 /mnt/inst')
      t.match(await shellApp(box, ALICE), { status: 0 }, 'which opens again when that is mended')
      await box.sh('rm -r /mnt/inst/alice')
    })
  }
  await t.test('a grandparent that is missing refuses the session', async (t) => {
    await box.write('/etc/polyns/namespace.conf', '/tmp /mnt/a/b/c/ user:noinit root\n')
    t.same(await shellApp(box, ALICE), { status: 1, mntNs: box.host.mntNs })
    t.match(await lastLogged(box), /make the instance parent '\/mnt\/a\/b\/c': .*= ENOENT/)
    t.match(await box.run('ls /mnt/a'), { status: 2 })
    t.match(await box.run(`${POLYNS} exec -u alice true`), { status: 1, stderr: /make the instance parent/ })
  })
})
