/* carry= as root: other users' files, mounts, covering, and somebody who exchanges names all the time. */
import t from 'tap'
import { call, install } from '../support/inside.js'
import { needs } from '../support/needs.js'
import { sleep } from '../support/run.js'
import { Sandbox } from '../support/sandbox.js'
import type { CarryCall, CarryReport } from './entry/carry.js'

const skip = needs('root', 'layer')
const HARD_LINKS = 'sysctl -n fs.protected_hardlinks'

t.test('carry=', { skip }, async (t) => {
  await using box = await Sandbox.start()
  const entry = await install(box, 'carry')
  const carry = (options: CarryCall) => call<CarryReport>(box, entry, options)
  /** New directories: a real one in which `make` has been run, a private one below it, as usual, or on a tmpfs. */
  const fresh = async (make: string) => {
    await box.sh(
      `umount /mnt/* 2>/dev/null; rm -rf /mnt/*
      mkdir -m 1777 /mnt/real /mnt/disk; mkdir -m 000 /mnt/real/inst; mkdir -m 1777 /mnt/real/inst/alice
      mount -t tmpfs -o mode=1777 x /mnt/disk
      cd /mnt/real; as() { setpriv --reuid $1 --regid $1 --clear-groups "$\{@:2}"; }
      alice() { as 5001 "$@"; }; bob() { as 5002 "$@"; }; umask 077
      ${make}`
        .replaceAll('\\{', '{')
        .replaceAll('\\}', '}'),
    )
  }
  const PLACES: [what: string, instance: string | null][] = [
    ['the same file system', '/mnt/real/inst/alice'],
    ['another one', '/mnt/disk'],
    ['a tmpfs of the session', null],
  ]

  for (const [where, instance] of PLACES) {
    await t.test(`to ${where}`, async (t) => {
      await fresh(`
        alice sh -c 'echo ticket >krb5cc_5001_a; : >krb5cc_5001_empty; echo x >other'
        bob sh -c 'echo of bob >krb5cc_5002; ln -s /etc/shadow krb5cc_evil; mkfifo krb5cc_pipe; mkdir krb5cc_dir'
        echo of root >krb5cc_0
        alice ln -s /etc/shadow krb5cc_link
        alice mkfifo krb5cc_fifo
        alice mkdir krb5cc_own
        alice ln other krb5cc_hard
        chgrp 50 krb5cc_5001_a`)
      const inode = (await box.sh('stat -c %i /mnt/real/krb5cc_5001_a')).trim()
      const report = await carry({ polydir: '/mnt/real', instance })
      t.same(report.moved.sort(), ['krb5cc_5001_a', 'krb5cc_5001_empty'])
      t.same(report.seen.sort(), ['krb5cc_5001_a 5001 600 7', 'krb5cc_5001_empty 5001 600 0'])
      t.same(
        report.notes.sort(),
        [
          'krb5cc_fifo: is not a plain file but a fifo',
          'krb5cc_hard: has 2 names (hard links)',
          'krb5cc_link: is not a plain file but a symlink',
          'krb5cc_own: is not a plain file but a directory',
        ].map((note) => `carry= of /mnt/real: ${note}; it stays`),
        'has notes on what is the user’s, and none on what others have made',
      )
      t.equal(
        (await box.sh('cd /mnt/real; ls -d krb* other')).trim().split('\n').sort().join(' '),
        'krb5cc_0 krb5cc_5002 krb5cc_dir krb5cc_evil krb5cc_fifo krb5cc_hard krb5cc_link krb5cc_own krb5cc_pipe other',
        'which is all still there',
      )
      t.ok(report.ms < 200, `takes ${report.ms} ms`)
      if (instance === null) return
      const [now, group] = (await box.sh(`stat -c '%i %g' ${instance}/krb5cc_5001_a`)).trim().split(' ')
      if (instance === '/mnt/real/inst/alice') t.equal(now, inode, 'moves, and does not copy')
      t.equal(group, '50')
    })
  }

  await t.test('of a session that joins', async (t) => {
    for (const [where, instance] of PLACES) {
      if (instance === null) continue
      await fresh('alice sh -c "echo new >krb5cc_1; sleep 0.01"')
      await box.sh(
        `echo old >${instance}/krb5cc_1; chown alice ${instance}/krb5cc_1; touch -d @1000 ${instance}/krb5cc_1`,
      )
      const report = await carry({ polydir: '/mnt/real', instance, join: true })
      t.match(report, { moved: ['krb5cc_1'], notes: [] }, `to ${where}`)
      t.match(report.seen, ['krb5cc_1 5001 600 4'])
      t.equal(await box.sh(`cat ${instance}/krb5cc_1`), 'new\n')
      t.equal(await box.sh('ls /mnt/real'), 'inst\n')
    }
    const gone = await carry({ polydir: '/mnt/real', instance: '/mnt/nowhere/alice', join: true })
    t.match(gone, { moved: [], notes: [/^carry= of \/mnt\/real left out: .*ENOENT/] })
  })

  await t.test('over what is in the private directory already', async (t) => {
    for (const [where, instance] of PLACES) {
      if (instance === null) continue
      await fresh(`alice sh -c 'for i in 1 2 3 4 5; do echo new >krb5cc_$i; done'
        cd ${instance}
        alice sh -c 'echo old >krb5cc_1; touch -d @1000 krb5cc_1'
        alice sh -c 'echo newer >krb5cc_2; touch -d 2100-01-01 krb5cc_2'
        bob sh -c 'echo of bob >krb5cc_3; touch -d @1000 krb5cc_3'
        alice mkdir krb5cc_4; alice ln -s /etc/shadow krb5cc_5`)
      const report = await carry({ polydir: '/mnt/real', instance })
      t.same(report.moved, ['krb5cc_1'], where)
      t.match(report.notes.sort(), [
        /krb5cc_2: stays: the one in .* is newer/,
        /krb5cc_3: stays: .* is a file of uid 5002/,
        /krb5cc_4: stays: .* is a directory/,
        /krb5cc_5: stays: .* is a symlink/,
      ])
      t.equal(
        await box.sh(`cd ${instance}; cat krb5cc_1 krb5cc_2 krb5cc_3; ls -A`),
        'new\nnewer\nof bob\nkrb5cc_1\nkrb5cc_2\nkrb5cc_3\nkrb5cc_4\nkrb5cc_5\n',
      )
      t.equal(
        await box.sh('cd /mnt/real; ls; cat krb*'),
        `inst\nkrb5cc_2\nkrb5cc_3\nkrb5cc_4\nkrb5cc_5\n${'new\n'.repeat(4)}`,
      )
    }
  })

  await t.test('of what is big', async (t) => {
    const make = 'alice sh -c "truncate -s 8G krb5cc_huge; head -c 1M /dev/zero >krb5cc_fits"'
    await fresh(make)
    const renamed = await carry({ polydir: '/mnt/real', instance: '/mnt/real/inst/alice' })
    t.same(renamed.moved.sort(), ['krb5cc_fits', 'krb5cc_huge'], 'moves on one file system')
    t.ok(renamed.ms < 200)
    await fresh(make)
    const copied = await carry({ polydir: '/mnt/real', instance: '/mnt/disk' })
    t.same(copied.moved, ['krb5cc_fits'])
    t.match(copied.notes, [/krb5cc_huge: stays: it holds 8589934592 bytes, more than are copied$/])
    await fresh(`${make}; mount -o remount,size=64k /mnt/disk`)
    const full = await carry({ polydir: '/mnt/real', instance: '/mnt/disk' })
    t.same(full.moved, [])
    t.match(full.notes.sort()[0] ?? '', /krb5cc_fits: ENOSPC.*; it stays$/)
    t.equal(
      await box.sh('ls -A /mnt/disk; ls /mnt/real'),
      'inst\nkrb5cc_fits\nkrb5cc_huge\n',
      'and nothing is lost',
    )
    await fresh(`alice touch krb5cc_1; mount -o remount,ro /mnt/disk`)
    t.match((await carry({ polydir: '/mnt/real', instance: '/mnt/disk' })).notes, [
      /krb5cc_1: .*EROFS.*; it stays$/,
    ])
    t.equal(await box.sh('ls /mnt/real'), 'inst\nkrb5cc_1\n')
  })

  await t.test('in a directory with very many entries takes bounded time', async (t) => {
    await fresh(`bob perl -e 'for (1..30000) { open F, ">", "krb5cc_x$_" }'; alice touch krb5cc_1`)
    const report = await carry({ polydir: '/mnt/real', instance: '/mnt/real/inst/alice' })
    t.match(report, { moved: ['krb5cc_1'], notes: [] })
    t.ok(report.ms < 3000, `${report.ms} ms for 30000`)
    const some = await carry({
      polydir: '/mnt/real',
      instance: '/mnt/real/inst/alice',
      limits: { entries: 1000 },
    })
    t.match(some.notes, [/more than 1000 entries/])
    t.ok(some.ms < 1000, `${some.ms} ms for 1000`)
  })

  await t.test('does not wait for a lease, nor for a FUSE file system', async (t) => {
    await fresh('alice sh -c "echo x >krb5cc_leased; mkdir krb5cc_fuse"')
    // F_SETLEASE, F_WRLCK: an ordinary open would wait 45 seconds.
    const lease =
      'open F, "+<", "/mnt/real/krb5cc_leased"; $SIG{IO} = sub {}; fcntl(F, 1024, 1) or die $!; print "on\\n"; $| = 1; sleep 1 for 1..1000'
    const holder = box.spawn(['perl', '-e', `$| = 1; ${lease}`], { user: 'alice' })
    await holder.waitFor(/on/)
    const report = await carry({ polydir: '/mnt/real', instance: '/mnt/disk' })
    t.same(report.moved, [])
    t.match(report.notes.sort().at(-1) ?? '', /krb5cc_leased: EAGAIN.*; it stays$/)
    t.ok(report.ms < 1000, `takes ${report.ms} ms`)
    await box.end(holder)
    // A mount is not looked at: anything mounted there stands for a FUSE file system that never answers.
    await box.sh('mount -t tmpfs -o uid=5001 x /mnt/real/krb5cc_fuse')
    t.match(await carry({ polydir: '/mnt/real', instance: '/mnt/disk' }), {
      moved: ['krb5cc_leased'],
      notes: [],
    })
    await box.sh('umount /mnt/real/krb5cc_fuse')
  })

  for (const sticky of [true, false]) {
    await t.test(
      `in a ${sticky ? 'sticky' : 'plain'} directory where names are exchanged all the time`,
      async (t) => {
        const racer = await install(box, 'racer')
        const linked =
          (await box.sh(HARD_LINKS)).trim() === '0' ? 'ln /etc/passwd decoy4' : 'ln decoy0 decoy4'
        await fresh(`alice sh -c 'echo good >krb5cc_1; echo linked >decoy0; ${linked}; ln -s /etc/passwd decoy1; mkdir decoy2; mkfifo decoy3'
        bob sh -c 'echo of bob >decoy5'; ${sticky ? ':' : 'chmod 777 .'}`)
        const content =
          'cd /mnt/real; find . inst/alice -mindepth 1 -maxdepth 1 ! -name inst -printf "%i %U\\n" | sort'
        const before = await box.sh(content)
        const ms = 4000
        const running = box.spawn([racer, JSON.stringify({ dir: '/mnt/real', name: 'krb5cc_1', ms })], {
          user: 'alice',
        })
        await sleep(200)
        const report = await carry({
          polydir: '/mnt/real',
          instance: '/mnt/real/inst/alice',
          repeat: ms - 1000,
        })
        await running.exited
        t.comment(`${report.rounds} rounds`, report.notes)
        t.same(report.moved, ['file 5001 1'], 'only plain files of hers with one name are moved')
        t.equal(await box.sh(content), before, 'nothing is lost')
        t.ok(report.rounds > 100)
        t.equal(await box.sh('ls -A /mnt/real/inst/alice'), '', 'nothing is left in the private directory')
      },
    )
  }
})
