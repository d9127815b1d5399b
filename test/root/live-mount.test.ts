/*
 * Mounts of the host in sessions that run already: what arrives and goes by propagation alone, and what `polyns mount` and
 * `polyns umount` do for namespaces that it does not reach.
 */
import t, { type Test } from 'tap'
import { installPolyns, PAM_LINE, POLYNS, TMP_AND_SHM } from '../support/install.js'
import { needs } from '../support/needs.js'
import type { Running } from '../support/run.js'
import { Sandbox } from '../support/sandbox.js'
import { Shell } from './shell.js'

const skip = needs('root', 'layer', 'dist')

/** As an init that is not systemd leaves it: sessions that are opened now hear nothing of the host any more. */
const ALL_PRIVATE = 'mount --make-rprivate /'

interface Held {
  running: Running
  /** Runs a command in its namespace, as root. */
  sh(command: string): Promise<string>
  pid: number
}

/** A command that stays in a namespace of its own until the sandbox ends. */
async function hold(box: Sandbox, ...argv: string[]): Promise<Held> {
  const running = box.spawn([...argv, 'bash', '-c', 'echo "pid $$"; exec sleep 600'])
  const pid = Number((await running.waitFor(/^pid (\d+)$/m, 30_000))[1])
  return {
    running,
    pid,
    sh: (command) => box.sh(['nsenter', '-t', `${pid}`, '-m', '--', 'bash', '-c', command]),
  }
}

const session = (box: Sandbox, user: string) => hold(box, POLYNS, 'exec', '-u', user, '--')

/** The lines about namespaces, each `OUTCOME USER # WHY` without what differs from run to run. */
function lines(stdout: string): string[] {
  return stdout
    .split('\n')
    .filter((line) => / pid \d+ /.test(line))
    .map((line) => line.replace(/ +\d+ {2}pid .*?(?=$| {2}#)/, '').replace(/ +/g, ' '))
}

async function polyns(t: Test, box: Sandbox, command: string, status = 0): Promise<string[]> {
  const r = await box.run(`${POLYNS} ${command}`, { timeoutMs: 60_000 })
  t.match({ status: r.status, stderr: r.stderr }, { status, stderr: /^$/ }, command)
  return lines(r.stdout)
}

const points = async (held: Held, below: string) =>
  (await held.sh(`findmnt -rno TARGET,SOURCE | grep "^${below}" || true`)).split('\n').filter(Boolean)

t.test('propagation alone', { skip }, async (t) => {
  await using box = await Sandbox.start()
  await installPolyns(box)
  await box.sh(`${POLYNS} setup`)
  await box.startSshd({ pamLines: [PAM_LINE] })
  await box.sh('mkdir -p /srv/bind /srv/tmpfs /srv/other /export; echo exported >/export/file')
  const alice = await Shell.open(box, 'alice')
  const bob = await Shell.open(box, 'bob')

  await t.test('brings a bind mount and a tmpfs into sessions that run', async (t) => {
    await box.sh('mount --bind /export /srv/bind; mount -t tmpfs x /srv/tmpfs; echo new >/srv/tmpfs/file')
    for (const one of [alice, bob])
      t.equal(await one.run('cat /srv/bind/file /srv/tmpfs/file'), 'exported\nnew\n')
  })

  await t.test('keeps the host from unmounting what a session sits in, unless lazily', async (t) => {
    await alice.run('cd /srv/tmpfs')
    t.match(await box.run('umount /srv/tmpfs'), { status: 32, stderr: /target is busy/ })
    t.equal(await bob.run('ls /srv/tmpfs'), 'file\n')
    await box.sh('umount --lazy /srv/tmpfs')
    t.equal(await bob.run('ls /srv/tmpfs'), '')
    t.equal(await alice.run('ls /srv/tmpfs'), '', 'by its path it is gone in that session too')
    t.equal(await alice.run('cat file'), 'new\n', 'what sits in it keeps it')
    await alice.run('cd /')
    await box.sh('umount /srv/bind')
    t.equal(await alice.run('ls /srv/bind'), '', 'and where nobody sits, it simply goes')
  })

  await t.test('brings nothing from a session to the host or to another session', async (t) => {
    await box.sh(`nsenter -t ${alice.pid} -m mount -t tmpfs x /srv/other`)
    t.notMatch(box.mountinfo().join('\n'), / \/srv\/other /)
    t.equal(await bob.run('grep -c /srv/other /proc/self/mountinfo'), '0\n')
  })

  await t.test('and polyns mount finds nothing left to do', async (t) => {
    await box.sh('mount --bind /export /srv/bind')
    t.strictSame(await polyns(t, box, 'mount /srv/bind'), ['already alice', 'already bob'])
  })
  await alice.close()
  await bob.close()
})

t.test('sessions that hear nothing of the host', { skip }, async (t) => {
  await using box = await Sandbox.start({ leftovers: 'ignore' })
  await installPolyns(box)
  await box.sh(`${ALL_PRIVATE}; mkdir -p /srv/data /srv/plain /export/deep; echo here >/export/file`)
  const alice = await session(box, 'alice')
  const bob = await session(box, 'bob')
  await box.sh('mount -t tmpfs data /srv/data; mkdir /srv/data/sub; mount -t tmpfs sub /srv/data/sub')
  await box.sh('echo deep >/srv/data/sub/file')
  t.strictSame(await points(alice, '/srv'), [], 'a mount of the host is not there')

  await t.test('a dry run says what would be done, and changes nothing', async (t) => {
    const before = [await alice.sh('cat /proc/self/mountinfo'), box.mountinfo()]
    const r = await box.run(`${POLYNS} mount --dry-run /srv/data`)
    t.strictSame(lines(r.stdout), ['would alice', 'would bob'])
    t.match(r.stdout, /^mount \/srv\/data \(tmpfs data\) in every private namespace\n/)
    t.match(r.stdout, /\n2 would\ndry run: nothing was changed\n$/)
    t.same([await alice.sh('cat /proc/self/mountinfo'), box.mountinfo()], before)
  })

  await t.test('polyns mount brings it with all below it, once', async (t) => {
    const before = box.mountinfo()
    t.strictSame(await polyns(t, box, 'mount /srv/data'), ['mounted alice', 'mounted bob'])
    for (const one of [alice, bob]) {
      t.strictSame(await points(one, '/srv'), ['/srv/data data', '/srv/data/sub sub'])
      t.equal(await one.sh('cat /srv/data/sub/file'), 'deep\n')
    }
    t.strictSame(await polyns(t, box, 'mount /srv/data'), ['already alice', 'already bob'])
    t.equal((await points(alice, '/srv')).length, 2)
    t.same(box.mountinfo(), before, 'and the host is as it was')
  })

  await t.test('it is a slave of a shared mount of the host, and shared in the session', async (t) => {
    await box.sh('mkdir -p /srv/group; mount -t tmpfs group /srv/group; mount --make-shared /srv/group')
    await polyns(t, box, 'mount /srv/group')
    t.match(await alice.sh('grep " /srv/group " /proc/self/mountinfo'), / shared:\d+ master:\d+ /)
    await box.sh('mkdir /srv/group/later /srv/group/own; mount -t tmpfs later /srv/group/later')
    t.strictSame(
      await points(bob, '/srv/group/later'),
      ['/srv/group/later later'],
      'so what comes later arrives',
    )
    await alice.sh('mount -t tmpfs own /srv/group/own')
    t.notMatch(box.mountinfo().join('\n'), /group\/own/, 'and what is mounted on it there stays there')
    await alice.sh('umount /srv/group/own')
    await box.sh('umount /srv/group/later')
    t.strictSame(await points(bob, '/srv/group/later'), [])
  })

  await t.test('a file can be a mount too', async (t) => {
    await box.sh('touch /srv/file; mount --bind /export/file /srv/file')
    await polyns(t, box, 'mount /srv/file')
    t.equal(await bob.sh('cat /srv/file'), 'here\n')
  })

  await t.test('polyns umount names who sits in it, and changes nothing there', async (t) => {
    const inside = await hold(box, 'nsenter', '-t', `${alice.pid}`, '-m', '--', 'env', '-C', '/srv/data')
    const [first, second] = await polyns(t, box, 'umount /srv/data', 1)
    t.equal(first, `failed alice # in use by pid ${inside.pid} (sleep); --lazy takes it away all the same`)
    t.equal(second, 'unmounted bob', 'the others are not held up')
    t.strictSame(await points(alice, '/srv/data'), ['/srv/data data', '/srv/data/sub sub'])
    t.strictSame(await points(bob, '/srv/data'), [])
    t.strictSame(await polyns(t, box, 'umount --dry-run --lazy /srv/data'), [
      'would alice',
      'already bob # not mounted there',
    ])
    t.strictSame(await polyns(t, box, 'umount --lazy /srv/data'), [
      'unmounted alice',
      'already bob # not mounted there',
    ])
    t.strictSame(await points(alice, '/srv/data'), [])
    t.match(box.mountinfo().join('\n'), / \/srv\/data /, 'the host keeps its own')
    await box.end(inside.running)
  })

  await t.test('polyns umount ends what the host has ended', async (t) => {
    await polyns(t, box, 'mount /srv/data')
    await box.sh('umount -R /srv/data')
    t.equal((await points(alice, '/srv/data')).length, 2, 'the session has it still')
    t.strictSame(await polyns(t, box, 'umount /srv/data'), ['unmounted alice', 'unmounted bob'])
    t.strictSame(await points(alice, '/srv/data'), [])
  })

  await t.test('what a session has of its own is left alone', async (t) => {
    const before = await alice.sh('cat /proc/self/mountinfo')
    const own = [
      'left alice # it is a private directory of that session',
      'left bob # it is a private directory of that session',
    ]
    for (const path of ['/tmp', '/dev/shm', '/run/polyns/ns'])
      t.strictSame(await polyns(t, box, `umount --lazy ${path}`), own, path)
    await box.sh(
      'rm -r /run/polyns/sessions/*; echo "/var/tmp /var/tmp/i/ user:noinit" >/etc/polyns/namespace.conf',
    )
    t.match((await polyns(t, box, 'umount --lazy --dry-run /run/polyns/ns')).join(), /^left alice/)
    await box.write('/etc/polyns/namespace.conf', TMP_AND_SHM)
    t.strictSame(await polyns(t, box, 'umount --lazy /tmp'), own, 'also when no record tells of it')
    await box.sh('mkdir /tmp/mnt; mount -t tmpfs x /tmp/mnt')
    await alice.sh('mkdir /tmp/mnt; mount -t tmpfs own /tmp/mnt')
    const another = (user: string) => `left ${user} # the directory that it is in is another one there`
    t.strictSame(await polyns(t, box, 'mount /tmp/mnt'), [another('alice'), another('bob')])
    t.strictSame(await polyns(t, box, 'umount /tmp/mnt'), [
      another('alice'),
      'already bob # not mounted there',
    ])
    await alice.sh('umount /tmp/mnt; rmdir /tmp/mnt; mount -t tmpfs own /srv/plain')
    await box.sh('mount -t tmpfs hosts /srv/plain')
    t.equal((await polyns(t, box, 'mount /srv/plain'))[0], 'left alice # tmpfs own is mounted there')
    t.equal(
      (await polyns(t, box, 'umount /srv/plain'))[0],
      'left alice # tmpfs own is mounted there, which is not what the host has',
    )
    await alice.sh('umount /srv/plain')
    t.equal(await alice.sh('cat /proc/self/mountinfo'), before)
  })

  await t.test('other tools’ namespaces are entered with --all only, a user’s own never', async (t) => {
    await box.sh('mount -t tmpfs data /srv/data')
    const other = await hold(box, 'unshare', '-m')
    await box.sh('umount /srv/data; mount -t tmpfs again /srv/data')
    await other.sh('umount /srv/data')
    const own = await hold(
      box,
      'setpriv',
      '--reuid',
      '5003',
      '--regid',
      '5003',
      '--clear-groups',
      'unshare',
      '-Urm',
    )
    const before = await own.sh('cat /proc/self/mountinfo')
    const never = 'left - # it belongs to another user namespace: never entered'
    const result = await polyns(t, box, 'mount /srv/data')
    t.ok(result.includes("left - # not one of polyns'; --all is for those too"), result.join('\n'))
    t.ok(result.includes(never), result.join('\n'))
    t.strictSame(await points(other, '/srv/data'), [])
    const all = await polyns(t, box, 'mount --all /srv/data')
    t.strictSame([...all].sort(), ['already alice', 'already bob', never, 'mounted -'].sort())
    t.strictSame(await points(other, '/srv/data'), ['/srv/data again'])
    t.equal(await own.sh('cat /proc/self/mountinfo'), before)

    await box.sh(
      'mkdir -p /srv/peer; mount -t tmpfs p /srv/peer; mount --make-shared /srv/peer; mkdir /srv/peer/x',
    )
    const peer = await hold(box, 'unshare', '-m', '--propagation', 'unchanged')
    await box.sh('mount -t tmpfs x /srv/peer/x')
    const spreads = 'left - # what is mounted there spreads to the host'
    t.ok((await polyns(t, box, 'umount --all /srv/peer/x')).includes(spreads))
    t.match(box.mountinfo().join('\n'), / \/srv\/peer\/x /, 'so the host keeps it')
    for (const one of [other, own, peer]) await box.end(one.running)
  })

  for (const [command, status, why] of [
    ['mount /srv', 2, /\/srv is no mount point on the host: there is nothing to bring/],
    ['mount /', 2, /mount \/ is not for running sessions/],
    ['mount /srv/nope', 1, /ENOENT/],
    ['mount /nope/deeper', 1, /ENOENT/],
    ['mount', 2, /missing required argument/],
    ['mount --timeout x /srv/data', 2, /--timeout takes a time/],
    ['umount /', 2, /umount \/ is not/],
  ] as const) {
    await t.test(`${command} is refused`, async (t) => {
      t.match(await box.run(`${POLYNS} ${command}`), { status, stdout: /^$/, stderr: why })
    })
  }
  await t.test('only root may do it', async (t) => {
    t.match(await box.run(`${POLYNS} mount /srv/data`, { user: 'alice' }), {
      status: 4,
      stderr: /needs root/,
    })
  })
  await t.test('a symbolic link is followed only where no user can write', async (t) => {
    await box.sh(
      'ln -s /srv /root-link; mkdir -m 777 /open; ln -s /srv /open/link; ln -s /srv/data /data-link',
    )
    t.match((await polyns(t, box, 'mount --dry-run /root-link/data')).join(), /already alice/)
    t.match(await box.run(`${POLYNS} mount /open/link/data`), { status: 5, stderr: /symbolic link/ })
    t.match(await box.run(`${POLYNS} mount /data-link`), { status: 2, stderr: /but a symbolic link/ })
  })
  await t.test('--json', async (t) => {
    const { namespaces, ...rest } = JSON.parse(await box.sh(`${POLYNS} mount --json /srv/data`))
    t.same(rest, { action: 'mount', path: '/srv/data', dryRun: false })
    const namespace = Number(/\d+/.exec(box.mntNs(alice.pid))?.[0])
    t.match(namespaces[0], {
      outcome: 'already',
      user: 'alice',
      uid: 5001,
      namespace,
      pids: [alice.pid],
      why: '',
    })
  })
})

t.test('a namespace in which a file server does not answer', { skip: skip || needs('fuse') }, async (t) => {
  await using box = await Sandbox.start({ leftovers: 'ignore' })
  await installPolyns(box)
  await box.startSshd()
  await box.sh(`${ALL_PRIVATE}; mkdir -p /srv/data`)
  const alice = await session(box, 'alice')
  const bob = await session(box, 'bob')
  const carol = await session(box, 'carol')
  await alice.sh('sshfs -o attr_timeout=0,entry_timeout=0 alice@127.0.0.1:/srv /srv')
  const pids = (await box.sh('pgrep -x sshfs')).trim()
  await box.sh(`mount -t tmpfs data /srv/data; kill -STOP ${pids}`)

  const before = Date.now()
  t.strictSame((await polyns(t, box, 'mount --timeout 2s /srv/data', 1)).sort(), [
    'mounted bob',
    'mounted carol',
    'stuck alice # no answer within 2 s',
  ])
  t.ok(Date.now() - before < 20_000, 'is given up, and the others do not wait for it')
  for (const one of [bob, carol]) t.strictSame(await points(one, '/srv/data'), ['/srv/data data'])
  t.strictSame((await polyns(t, box, 'umount --timeout 2s /srv/data', 1)).sort(), [
    'stuck alice # no answer within 2 s',
    'unmounted bob',
    'unmounted carol',
  ])
  await box.sh(`kill -CONT ${pids}`)
  t.match(
    (await polyns(t, box, 'mount /srv/data'))[0],
    /^left alice # the directory that it is in is another one there/,
  )
})

t.test('a path that does not answer on the host itself', { skip: skip || needs('fuse') }, async (t) => {
  await using box = await Sandbox.start({ leftovers: 'ignore' })
  await installPolyns(box)
  await box.startSshd()
  await box.sh('mkdir -p /srv/remote /export/data')
  await box.sh(
    'sshfs -o attr_timeout=0,entry_timeout=0 alice@127.0.0.1:/export /srv/remote; mount -t tmpfs x /srv/remote/data',
  )
  const pids = (await box.sh('pgrep -x sshfs')).trim()
  await box.sh(`kill -STOP ${pids}`)
  const r = await box.run(`${POLYNS} mount --timeout 2s /srv/remote/data`)
  t.match(r, {
    status: 4,
    stdout: /^$/,
    stderr: /'\/srv\/remote\/data' on the host: did not answer within 2 s/,
  })
  await box.sh(`kill -CONT ${pids}; umount /srv/remote/data; umount /srv/remote`)
})

t.test('a thousand namespaces in one run', { skip }, async (t) => {
  await using box = await Sandbox.start({ leftovers: 'ignore' })
  await installPolyns(box)
  await box.sh(`${ALL_PRIVATE}; mkdir -p /srv/data`)
  const alice = await session(box, 'alice')
  // Copies of her namespace: the mark is copied with it.
  await alice.sh('for i in {1..999}; do unshare -m sleep 600 >/dev/null 2>&1 & done')
  const count = () => box.sh(`ls -l /proc/[0-9]*/ns/mnt 2>/dev/null | grep -o 'mnt:.*' | sort -u | wc -l`)
  for (let i = 0; i < 300 && Number(await count()) < 1001; i++) await new Promise((r) => setTimeout(r, 200))
  await box.sh('mount -t tmpfs data /srv/data')
  const start = Date.now()
  const result = await polyns(t, box, 'mount /srv/data')
  t.comment(`${Date.now() - start} ms`)
  t.equal(result.length, 1000)
  t.strictSame(new Set(result), new Set(['mounted alice']))
  t.strictSame(new Set(await polyns(t, box, 'umount /srv/data')), new Set(['unmounted alice']))
})
