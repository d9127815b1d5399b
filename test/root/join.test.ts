/* Sessions of one user share one namespace while any of them lives, as long as they would be built alike. */
import t from 'tap'
import { installPolyns, PAM_LINE, TMP_AND_SHM } from '../support/install.js'
import { plainStack } from '../support/logins.js'
import { needs } from '../support/needs.js'
import { Sandbox } from '../support/sandbox.js'
import { Shell } from './shell.js'
import { logged, settled } from './state.js'

const skip = needs('root', 'layer', 'dist')

t.test('ssh sessions of one user', { skip }, async (t) => {
  await using box = await Sandbox.start()
  await installPolyns(box)
  await box.startSshd({ pamLines: [PAM_LINE] })
  await box.sh('mkdir /mnt/disk')
  await box.ssh('alice', 'true')
  const before = await settled(box)
  const from = (await logged(box)).length

  const first = await Shell.open(box, 'alice')
  const second = await Shell.open(box, 'alice')
  const bob = await Shell.open(box, 'bob')
  t.equal(second.mntNs, first.mntNs, 'are in one namespace')
  t.not(bob.mntNs, first.mntNs, 'which no other user is in')

  const enter = `nsenter -t ${first.pid} -m --`
  await box.sh(`${enter} mount -t tmpfs x /mnt/disk; ${enter} touch /mnt/disk/f; chmod 755 /mnt/disk`)
  t.equal(await second.run('ls /mnt/disk'), 'f\n', 'so a mount made in one is seen in the other')
  t.equal(await bob.run('ls /mnt/disk'), '')

  const firstNs = first.mntNs
  await first.close()
  const third = await Shell.open(box, 'alice')
  t.equal(third.mntNs, firstNs, 'also when the first one is over, but the second lives')
  t.equal(await third.run('ls /mnt/disk'), 'f\n')
  await second.close()
  await third.close()
  await settled(box)

  const fourth = await Shell.open(box, 'alice')
  t.equal(await fourth.run('ls /mnt/disk'), '', 'and build anew when all are over')
  await fourth.close()
  await bob.close()
  t.same(await settled(box), { ...before, runPolyns: [...before.runPolyns, 'f 600 0:0 lock/5002'].sort() })
  t.match(
    (await logged(box, from))
      .filter((line) => line.includes('alice opened'))
      .map((line) => line.split(', ')[1]),
    ['built: /tmp /dev/shm', 'joined: /tmp /dev/shm', 'joined: /tmp /dev/shm', 'built: /tmp /dev/shm'],
    'as the log says',
  )
})

t.test('a session is built anew', { skip }, async (t) => {
  await using box = await Sandbox.start()
  await installPolyns(box)
  await box.pam('app', plainStack([PAM_LINE]))
  const alice = { service: 'app', user: 'alice' }
  const first = await box.pamHold(alice)
  const ns = first.report.opened.mntNs
  const joins = async () => (await box.pamApp(alice)).opened.mntNs === ns
  t.ok(await joins(), 'not while nothing has changed')

  await t.test('when the configuration has changed', async (t) => {
    await box.write('/etc/polyns/namespace.conf', '/tmp /tmp/polyns-inst/ user:noinit root\n')
    const r = await box.pamApp(alice)
    t.not(r.opened.mntNs, ns)
    t.match(
      r.opened.mounts
        .filter((line) => !/ - tmpfs polyns /.test(line)) // an anchor
        .map((line) => line.split(' ').slice(3, 5).join(' ')),
      ['/ /dev/shm', '/tmp/polyns-inst/alice /tmp'],
      '/dev/shm is the host’s then',
    )
    await box.write('/etc/polyns/namespace.conf', TMP_AND_SHM)
    t.ok(await joins(), 'and joins again when that was taken back')
  })

  await t.test('when the instance was removed, or another is in its place', async (t) => {
    await box.sh('cd /tmp/polyns-inst; mv alice old; mkdir -m 1777 alice; touch alice/new')
    const r = await box.pamApp({ ...alice, command: 'ls /tmp' })
    t.not(r.opened.mntNs, ns)
    t.equal(r.command?.stdout, 'new\n')
    await box.sh('cd /tmp/polyns-inst; rm -r alice; mv old alice')
    t.ok(await joins(), 'and joins again when that was taken back')
  })

  await t.test('when root mounted something over a private directory of the session', async (t) => {
    await box.sh(`nsenter -t ${first.pid} -m -- mount -t tmpfs x /tmp`)
    const r = await box.pamApp(alice)
    t.match(r, { open: 0 })
    t.not(r.opened.mntNs, ns)
    await box.sh(`nsenter -t ${first.pid} -m -- umount /tmp`)
    t.ok(await joins())
  })

  const file = `/run/polyns/sessions/${(await box.sh('ls /run/polyns/sessions')).trim()}`
  const record = await box.read(file)
  for (const [what, text] of [
    ['names another namespace', record.replace(/"namespace":"(id|inode):\d+"/, '"namespace":"$1:7"')],
    ['names another process', record.replace(/"startTime":"/, '"startTime":"1')],
    ['is of another version', record.replace('"version":1', '"version":2')],
    ['is cut off', record.slice(0, -9)],
    ['lacks what it should have', record.replace('"ino"', '"x"')],
    ['is null', 'null'],
    ['is empty', ''],
  ] as const) {
    await t.test(`when the record ${what}`, async (t) => {
      t.ok(await joins())
      await box.write(file, text, 0o600)
      t.notOk(await joins())
      await box.write(file, record, 0o600)
    })
  }
  t.match(await first.close(), { close: 0 })
  t.equal((await settled(box)).processes.length, 0)
})

t.test('users who open at the same time get one namespace each', { skip }, async (t) => {
  await using box = await Sandbox.start()
  await installPolyns(box)
  await box.pam('app', plainStack([PAM_LINE]))
  const users = ['alice', 'bob', 'alice', 'bob', 'alice', 'bob']
  const held = await Promise.all(users.map((user) => box.pamHold({ service: 'app', user })))
  t.same(
    held.map(({ report }) => report.open),
    users.map(() => 0),
  )
  const namespaces = (user: string) =>
    new Set(held.filter((_, i) => users[i] === user).map(({ report }) => report.opened.mntNs))
  t.equal(namespaces('alice').size, 1)
  t.equal(namespaces('bob').size, 1)
  t.not([...namespaces('alice')][0], [...namespaces('bob')][0])
  t.equal((await box.sh('ls /run/polyns/sessions')).split('\n').filter(Boolean).length, users.length)
  t.equal(
    await box.sh('ls -A /tmp/polyns-inst'),
    'alice\nbob\n',
    'nothing half made is left with the instances',
  )
  await Promise.all(held.map((one) => one.close()))
  t.equal(await box.sh('ls -A /run/polyns/sessions'), '')
})

t.test('an application that was started inside a private session', { skip }, async (t) => {
  await using box = await Sandbox.start()
  await installPolyns(box)
  await box.pam('app', plainStack([PAM_LINE]))
  await box.pam('su', ['auth sufficient pam_rootok.so', ...plainStack([PAM_LINE])])
  const alice = await box.pamHold({ service: 'app', user: 'alice' })
  const inside = `nsenter -t ${alice.pid} -m --`
  const app = (options: object) =>
    box.sh(
      `${inside} node /opt/polyns/test/support/pamapp.mjs '${JSON.stringify({ service: 'app', ...options })}'`,
    )
  await box.sh(`${inside} touch /tmp/of-alice`)

  await t.test('gives other users clean sessions', async (t) => {
    t.match(await app({ user: 'bob', command: 'ls /tmp' }), /"open":0,.*"command":\{"status":0,"stdout":""/)
  })
  await t.test('takes a login that no rule concerns to the host’s view', async (t) => {
    const out = await app({ user: 'root', command: 'readlink /proc/self/ns/mnt' })
    t.match(out, `"stdout":"${box.host.mntNs}\\n"`)
    t.match(
      (await logged(box)).at(-1) ?? '',
      /app: session of root taken to the host's view: no rule applies to root/,
    )
  })
  await t.test('leaves su to root where its caller is', async (t) => {
    t.match(await app({ user: 'root', ruser: 'alice', command: 'ls /tmp' }), /"stdout":"of-alice\\n"/)
  })
  await t.test('opens one session when both su and su-l run in it', async (t) => {
    await box.pam('app', plainStack([PAM_LINE, PAM_LINE]))
    const from = (await logged(box)).length
    const r = await box.pamApp({ service: 'app', user: 'bob' })
    t.match(r, { open: 0, close: 0 })
    t.match(await logged(box, from), [/opened, built:/, /opened, kept:/, /closed/])
    await box.pam('app', plainStack([PAM_LINE]))
  })
  await t.test('su from one user to another shows the other’s files only', async (t) => {
    await box.sh('touch /tmp/polyns-inst/bob/of-bob')
    t.equal(await box.sh(`${inside} setpriv --reuid alice --clear-groups su bob -c "ls /tmp"`), 'of-bob\n')
  })
  await alice.close()
})
