/* The .deb on a machine without Node: logins by it, an upgrade while people log in, and nothing left once it is purged. */
import { availableParallelism } from 'node:os'
import t from 'tap'
import { PAM_LINE, TMP_AND_SHM } from '../support/install.js'
import { plainStack } from '../support/logins.js'
import { needs } from '../support/needs.js'
import { fetchParts, hideNode, makeNext, makePackage, SIZE_MB } from '../support/package.js'
import { Sandbox } from '../support/sandbox.js'
import { settled } from './state.js'

const skip = needs('root', 'layer', 'dist')
const DPKG = { timeoutMs: 120_000 }
/** Of all files but those in which dpkg keeps its books: type, mode, owner, time and size of files, path, what a link says. */
const LIST = `find /etc /usr /var /run -xdev \\( -path /var/lib/dpkg -o -path /var/log -o -path /var/cache -o -path /var/tmp \\
  -o -path /run/syslog -o -path '/run/*.list' \\) -prune -o \\
  \\( -type f -printf '%p %y %m %u:%g %s %T@\\n' -o -printf '%p %y %m %u:%g %l\\n' \\) | LC_ALL=C sort`

t.test('the package', { skip, timeout: 600_000 }, async (t) => {
  fetchParts()
  await using box = await Sandbox.start({ sizeMb: 2 * SIZE_MB })
  const first = await makePackage(box, '/var/tmp/first')
  const next = await makeNext(box, '9.9.9', '/var/tmp/second')

  await t.test('is made the same of the same', async (t) => {
    const again = await makePackage(box, '/var/tmp/again')
    await box.sh(`cmp ${first} ${again} && rm ${again}`)
    t.match(first, /^\/var\/tmp\/first\/polyns_\d+\.\d+\.\d+_(amd64|arm64)\.deb$/)
  })
  await t.test('holds what is root’s and only root can change, and says what it depends on', async (t) => {
    const rows = (await box.sh(`dpkg-deb -c ${first}`)).trimEnd().split('\n')
    t.ok(rows.length > 40)
    t.same(
      rows.filter((row) => !/^(-rw[-x]r-[-x]r-[-x]|drwxr-xr-x|lrwxrwxrwx) root\/root /.test(row)),
      [],
    )
    const order = ['koffi-', 'polyns\n', 'polyns-node\n', './usr/sbin/polyns ->'].map((name) =>
      `${rows.join('\n')}\n`.indexOf(name.startsWith('.') ? name : `./usr/lib/polyns/${name}`),
    )
    t.ok(order[0] !== -1)
    t.same(
      order,
      [...order].sort((a, b) => a - b),
      'each comes after what it needs',
    )
    await box.sh(
      `mkdir /var/tmp/x; dpkg-deb -R ${first} /var/tmp/x; cd /var/tmp/x; md5sum --quiet -c DEBIAN/md5sums`,
    )
    // The loader's own words: readelf finds the versions by sections, of which the executable has none.
    const told = await box.sh(
      `cd /var/tmp/x/usr/lib/polyns; for f in polyns-node koffi-*; do ldd -v ./$f; done`,
    )
    const needed = Array.from(told.matchAll(/^\t\.\/.*:\n((?:\t\t.*\n)+)/gm), ([, text = '']) => text).join(
      '',
    )
    const highest = (name: string) =>
      Array.from(needed.matchAll(new RegExp(`\\(${name}_([0-9.]+)\\)`, 'g')), ([, text = '']) => text)
        .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
        .at(-1)
    t.equal(highest('GLIBC'), '2.28', 'libc6 (>= 2.28)')
    t.equal(highest('CXXABI'), '1.3.11', 'libstdc++6 (>= 7)')
    const libraries = new Set(Array.from(needed.matchAll(/^\t\t(\S+) /gm), ([, name = '']) => name))
    const ofDepends = /^(lib(c|m|dl|pthread)\.so|ld-linux|libstdc\+\+\.so|libgcc_s\.so)/
    t.same(
      [...libraries].filter((name) => !ofDepends.test(name)),
      [],
    )
  })

  await hideNode(box)
  await box.sh(`${LIST} >/run/before.list`)
  await box.sh(`dpkg -i ${first}`, DPKG)
  t.match(await box.sh('polyns --version; dpkg -V polyns'), /^\d+\.\d+\.\d+\n$/, 'installed, and whole')
  t.match(await box.run('polyns demo'), { status: 0, stderr: '' })

  await box.write('/etc/polyns/namespace.conf', TMP_AND_SHM)
  const line = [PAM_LINE]
  await box.startSshd({ pamLines: line })
  await box.pam('su', plainStack(line))

  await t.test('gives sessions', async (t) => {
    t.match(await box.ssh('alice', 'echo mine >/tmp/a; echo mine >/dev/shm/a'), { status: 0 })
    t.match(await box.ssh('alice', 'cat /tmp/a /dev/shm/a'), { status: 0, stdout: 'mine\nmine\n' })
    t.match(await box.ssh('bob', 'ls /tmp /dev/shm'), { status: 0, stdout: '/dev/shm:\n\n/tmp:\n' })
    t.match(await box.run("su alice -c 'cat /tmp/a'"), { status: 0, stdout: 'mine\n' })
    t.match(await box.run('polyns exec -u alice -- cat /tmp/a'), { status: 0, stdout: 'mine\n' })
    t.match(await box.run('polyns doctor --json'), { stdout: /"id": ?"launcher"/ })
  })

  await t.test('starts itself again, and a second thread of itself', async (t) => {
    const held = box.spawn(['su', 'alice', '-c', 'read _'], { input: 'pipe' })
    await box.sh('for i in $(seq 400); do ! pgrep -u alice >/dev/null || exit 0; sleep 0.05; done; exit 1')
    await box.sh('mkdir /mnt/usb; mount -t tmpfs usb /mnt/usb')
    t.match(await box.run('polyns mount /mnt/usb'), { status: 0, stdout: /^already +alice /m }, 'a worker')
    held.child.stdin?.end('\n')
    await held.exited
    await box.sh('umount /mnt/usb; rmdir /mnt/usb')

    await box.sh("su bob -c 'cd /tmp; seq 60000 | xargs touch'", DPKG)
    await settled(box)
    await box.sh('strace -f -e trace=unlinkat -o /run/trace polyns reap', DPKG)
    const threads = await box.sh("awk '/unlinkat/ { print $1 }' /run/trace | sort -u | wc -l; rm /run/trace")
    t.equal(Number(threads), Math.min(2, availableParallelism()), 'both remove')
    t.match(await box.ssh('alice', 'echo mine | tee /tmp/a /dev/shm/a'), { status: 0 })
  })

  await t.test('is upgraded while people log in', async (t) => {
    const clean = await settled(box)
    const held = box.spawn(
      ['ssh', 'alice@127.0.0.1', 'echo open; read _; findmnt -no SOURCE /tmp | tail -n 1'],
      {
        input: 'pipe',
      },
    )
    const loop = (user: string, how: string) =>
      box.spawn(`while [ ! -e /run/done ]; do
        out=$(${how} 'findmnt -no SOURCE /tmp | tail -n 1' 2>/dev/null) && echo "in $out" || echo "refused $out"; done >/run/${user}.seen`)
    const loops = [loop('alice', 'su alice -c'), loop('bob', 'ssh bob@127.0.0.1')]
    const versions: string[] = []
    for (const file of [next, first, next]) {
      await box.sh(`dpkg -i ${file}`, DPKG)
      versions.push((await box.sh('polyns --version')).trim())
    }
    t.match(versions, ['9.9.9', /^0\./, '9.9.9'])
    await box.sh('touch /run/done')
    for (const running of loops) await running.exited
    for (const user of ['alice', 'bob']) {
      const seen = (await box.read(`/run/${user}.seen`)).trimEnd().split('\n')
      const whole = seen.filter((row) => new RegExp(`^in .*/tmp/polyns-inst/${user}\\]$`).test(row))
      const refused = seen.filter((row) => row === 'refused ')
      t.comment(`${user}: ${whole.length} logins, ${refused.length} refused`)
      t.ok(whole.length > 2)
      t.equal(
        whole.length + refused.length,
        seen.length,
        `none is half open: ${[...new Set(seen)].join(', ')}`,
      )
    }
    held.child.stdin?.end('\n')
    t.match(
      (await held.exited).stdout,
      /^open\n.*\/tmp\/polyns-inst\/alice\]\n$/,
      'one that was open goes on',
    )
    const after = await settled(box)
    t.same(after.mounts, clean.mounts, 'no mount stays')
    t.same(
      after.runPolyns.filter((row) => row.includes('sessions/')),
      [],
      'and all are closed',
    )
  })

  await t.test('stays while PAM stacks name it', async (t) => {
    await box.write('/var/lib/polyns/install.json', 'not what install wrote')
    t.match(await box.run('dpkg -r polyns', DPKG), { status: 1, stderr: /so it stays/ })
    t.match(await box.ssh('alice', 'cat /tmp/a'), { status: 0, stdout: 'mine\n' })
    await box.sh('rm /var/lib/polyns/install.json; dpkg --configure -a', DPKG)
  })

  await t.test('goes without a trace', async (t) => {
    await box.sh(`polyns setup --undo; rm -rf /tmp/polyns-inst /dev/shm/polyns-inst`)
    await box.pam('sshd', plainStack([]))
    const pam = await box.sh('stat -c %Y /etc/pam.d')
    t.ok(pam)
    t.match(await box.run('dpkg -r polyns', DPKG), { status: 0 })
    t.match(await box.run('ls /usr/sbin/polyns /usr/lib/polyns'), { status: 2, stdout: '' })
    t.equal((await box.sh('ls /etc/polyns')).trim(), 'namespace.conf', 'the configuration stays')
    await box.write('/var/lib/polyns/inst/alice/file', 'hers')
    t.match(await box.run('dpkg -P polyns', DPKG), {
      status: 0,
      stderr: /not empty, so it stays: \/var\/lib\/polyns/,
    })
    t.equal(await box.read('/var/lib/polyns/inst/alice/file'), 'hers', 'no user’s files go')
    await box.sh('rm -r /var/lib/polyns')
    t.equal((await box.run('ls -d /etc/polyns /run/polyns')).stdout, '')
    // What the test itself has changed.
    const own = /^\s*\/(etc\/(ssh|pam\.d)|run\/(done|.*\.seen|sshd\.pid|sudo|utmp|user))(\/| )/
    const changes = await box.sh(
      `${LIST} >/run/after.list; LC_ALL=C comm -3 /run/before.list /run/after.list`,
    )
    t.same(
      changes.split('\n').filter((row) => row !== '' && !own.test(row)),
      [],
    )
  })
})
