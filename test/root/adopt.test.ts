/* Moving the waiting application: what of it changes (its view of the file system) and what must not (all else). */
import t from 'tap'
import { installPolyns, PAM_LINE } from '../support/install.js'
import { plainStack } from '../support/logins.js'
import { needs } from '../support/needs.js'
import type { Options } from '../support/pamapp.js'
import { sleep } from '../support/run.js'
import { Sandbox } from '../support/sandbox.js'
import { app32 } from './app32.js'
import { lastLogged, logged, settled, shellApp, wasRefused, withoutView } from './state.js'

const skip = needs('root', 'layer', 'dist')
const ALL_SIGNALS = Array.from({ length: 64 }, (_, i) => i + 1)

async function start(): Promise<Sandbox> {
  const box = await Sandbox.start()
  await installPolyns(box)
  await box.pam('app', plainStack([PAM_LINE]))
  return box
}

t.test('the working directory', { skip }, async (t) => {
  await using box = await start()
  await box.sh('mkdir /tmp/sub /tmp/both /tmp/secret; mkdir -m 700 /home/alice/deep')
  await box.pamApp({ service: 'app', user: 'alice' })
  const instance = '/tmp/polyns-inst/alice'
  await box.sh(`cd ${instance}; mkdir both; mkdir -m 700 secret; ln -s /etc link; chown alice both`)
  const open = async (chdir: string, user = 'alice') => {
    const r = await box.pamApp({ service: 'app', user, chdir, command: 'stat -c %d:%i .' })
    t.equal(r.open, 0)
    t.equal(r.before.cwd, chdir)
    return { cwd: r.opened.cwd, inode: r.command?.stdout }
  }
  const inode = (path: string) => box.sh(`stat -c %d:%i ${path}`)

  await t.test('in /tmp is the private /tmp', async (t) => {
    t.same(await open('/tmp'), { cwd: '/tmp', inode: await inode(instance) })
    t.same(await open('/dev/shm'), { cwd: '/dev/shm', inode: await inode('/dev/shm/polyns-inst/alice') })
  })
  await t.test('below /tmp is the private one of that name', async (t) => {
    t.same(await open('/tmp/both'), { cwd: '/tmp/both', inode: await inode(`${instance}/both`) })
  })
  await t.test('below /tmp is / where the private one has no such name', async (t) => {
    t.same(await open('/tmp/sub'), { cwd: '/', inode: await inode('/') })
  })
  await t.test('below /tmp is / where the user himself could not go', async (t) => {
    t.same(await open('/tmp/secret'), { cwd: '/', inode: await inode('/') })
  })
  await t.test('that was deleted is /', async (t) => {
    await box.sh('mkdir /tmp/gone')
    const gone = `cd /tmp/gone; rmdir /tmp/gone; node /opt/polyns/test/support/pamapp.mjs '{"service":"app","user":"alice"}'`
    t.match(await box.sh(gone), /"cwd":"\/tmp\/gone \(deleted\)".*"cwd":"\/"/)
  })
  await t.test('elsewhere stays the same directory', async (t) => {
    for (const path of ['/', '/var/spool', '/home/alice/deep', '/root', '/run']) {
      t.same(await open(path), { cwd: path, inode: await inode(path) })
    }
  })
})

t.test('an application', { skip }, async (t) => {
  await using box = await start()
  const cases: [string, Partial<Options>][] = [
    ['of root', {}],
    ['with the user’s group, like slurmstepd', { egid: 5001 }],
    ['with the caller’s real uid, like su', { ruid: 5002, ruser: 'bob' }],
    ['with umask 077', { umask: 0o77 }],
    ['with umask 0', { umask: 0 }],
    ['with four more threads', { threads: 4 }],
    ['that blocks every signal', { block: ALL_SIGNALS }],
    [
      'with everything at once',
      { egid: 5001, ruid: 5001, umask: 0o27, threads: 2, block: [1, 2, 15], chdir: '/var' },
    ],
  ]
  for (const [what, options] of cases) {
    await t.test(`${what} is moved, and keeps all else`, async (t) => {
      await box.sh('rm -rf /tmp/polyns-inst /dev/shm/polyns-inst /run/polyns')
      const before = await box.snapshot()
      const r = await box.pamApp({
        service: 'app',
        user: 'alice',
        command: 'ls -A /tmp; readlink /proc/self/ns/mnt',
        ...options,
      })
      t.match(r, { open: 0, close: 0, messages: [], pamEnv: [] })
      t.not(r.opened.mntNs, box.host.mntNs)
      t.equal(r.command?.stdout, `${r.opened.mntNs}\n`, 'its children see an empty /tmp, in that namespace')
      t.same(
        withoutView(r.opened),
        withoutView(r.before),
        'descriptors, ids, mask, signals, children, tracer',
      )
      t.same(withoutView(r.closed), withoutView(r.before))
      t.equal(
        await box.sh(
          'stat -c "%n %a %u:%g" /tmp/polyns-inst /tmp/polyns-inst/alice /dev/shm/polyns-inst/alice /run/polyns',
        ),
        '/tmp/polyns-inst 0 0:0\n/tmp/polyns-inst/alice 1777 0:0\n/dev/shm/polyns-inst/alice 1777 0:0\n/run/polyns 755 0:0\n',
      )
      t.same((await settled(box)).mounts, before.mounts)
    })
  }
  await t.test('is moved back and forth for one session after another', async (t) => {
    const twice = 'pamtester app alice open_session close_session open_session close_session'
    t.match(await box.run(twice), { status: 0 })
    const other =
      'pamtester app alice open_session close_session; pamtester app bob open_session close_session'
    t.match(await box.run(other), { status: 0 })
  })
})

t.test('a helper that was started', { skip }, async (t) => {
  await using box = await start()
  for (const [how, under] of [
    ['with 64 open files as its limit', 'prlimit --nofile=64'],
    ['without stdin, stdout and stderr', 'bash -c \'exec "$@" <&- >&- 2>&-\' -'],
    ['with every signal ignored', 'env --ignore-signal'],
    ['with every signal blocked', 'env --block-signal'],
    ['with a umask of 0777', 'bash -c \'umask 777; exec "$@"\' -'],
  ] as const) {
    await t.test(`${how} opens the session`, async (t) => {
      await box.sh('rm -rf /run/polyns /tmp/polyns-inst /dev/shm/polyns-inst')
      const r = await shellApp(box, { PAM_USER: 'alice' }, { under })
      t.equal(r.status, 0)
      t.not(r.mntNs, box.host.mntNs)
      t.equal(await box.sh('stat -c %a /run/polyns /run/polyns/ns /tmp/polyns-inst'), '755\n755\n0\n')
    })
  }
  await t.test('with too few descriptors refuses the session', async (t) => {
    const r = await shellApp(box, { PAM_USER: 'alice' }, { under: 'prlimit --nofile=24' })
    t.same(r, { status: 1, mntNs: box.host.mntNs })
    t.match(await lastLogged(box), /refused: .*EMFILE/)
  })
})

t.test('an application that cannot be moved is refused, and stays what it was:', { skip }, async (t) => {
  await using box = await start()
  await t.test('one in a chroot', async (t) => {
    await box.sh('mkdir /mnt/root; mount --rbind / /mnt/root; mount --make-rprivate /mnt/root')
    const r = await box.pamApp({ service: 'app', user: 'alice', chroot: '/mnt/root' })
    t.same(...wasRefused(r))
    t.match(await lastLogged(box), /: process \d+: runs in a chroot/)
    t.match(
      await box.pamApp({ service: 'app', user: 'root', chroot: '/mnt/root' }),
      { open: 0 },
      'unless no rule concerns it',
    )
    await box.sh('umount -l /mnt/root')
  })
  await t.test('one that is traced already', async (t) => {
    const options = { service: 'app', user: 'alice' }
    const app = ['node', '/opt/polyns/test/support/pamapp.mjs', JSON.stringify(options)]
    const out = await box.sh([
      'strace',
      '-qq',
      '-e',
      'trace=none',
      '-e',
      'signal=none',
      '-o',
      '/dev/null',
      ...app,
    ])
    const r = JSON.parse(/^done (.*)$/m.exec(out)?.[1] ?? '{}')
    t.ok(r.before.tracerPid > 0)
    t.same(...wasRefused(r))
    t.match(await lastLogged(box), `process ${r.before.tracerPid} (strace) traces it already`)
  })
  await t.test('one that has ended meanwhile', async (t) => {
    const env = { PAM_TYPE: 'open_session', PAM_SERVICE: 'app', PAM_USER: 'alice' }
    const from = (await logged(box)).length
    await box.sh('sh -c "/usr/sbin/polyns pam & exit" >/dev/null 2>&1', { env })
    for (let i = 0; i < 100 && (await logged(box)).length === from; i++) await sleep(20)
    t.match(
      await lastLogged(box),
      /refused: process 1: cannot be the application of a session; it may have ended/,
    )
  })
  await t.test('a 32-bit one', { skip: process.arch !== 'x64' && 'needs x86_64' }, async (t) => {
    const helper = '#!/bin/sh\nPAM_TYPE=open_session PAM_USER=alice exec /usr/sbin/polyns pam\n'
    await box.write('/run/helper', helper, 0o755)
    await box.sh('base64 -d >/run/app; chmod 755 /run/app', {
      input: app32('/run/helper').toString('base64'),
    })
    t.match(await box.run(['/run/app']), { status: 4 }, 'it goes on, and hears of the failure')
    t.match(await lastLogged(box), /refused: adopting thread \d+: it runs a 32-bit program/)
  })
})
