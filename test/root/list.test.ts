/* polyns list: the picture and the JSON of machines with nobody, with a few and with many on them, and of what users may do to it. */
import t from 'tap'
import { installPolyns, PAM_LINE, POLYNS } from '../support/install.js'
import { plainStack } from '../support/logins.js'
import { needs } from '../support/needs.js'
import { Sandbox } from '../support/sandbox.js'
import { Shell } from './shell.js'
import { settled } from './state.js'

const skip = needs('root', 'layer', 'dist')
const CONFIG = '/tmp /tmp/inst/ user:noinit:scope=job root\n/dev/shm /dev/shm/inst/ user:noinit root\n'

async function machine(config = CONFIG): Promise<Sandbox> {
  const box = await Sandbox.start()
  await installPolyns(box, config)
  await box.pam('app', plainStack([PAM_LINE]))
  return box
}
const text = (box: Sandbox, options = '--budget 20s') => box.sh(`${POLYNS} list ${options}`)
const json = async (box: Sandbox, options = '--budget 20s') =>
  JSON.parse(await box.sh(`${POLYNS} list --json ${options}`))
const linesOf = (picture: string) => picture.trimEnd().split('\n')

t.test('a machine on which nothing has happened', { skip }, async (t) => {
  await using box = await machine()
  t.equal(await text(box), 'no sessions\n')
  const nothing = { sessions: [], ended: [], users: [], instances: [], leftovers: [], unknown: [], notes: [] }
  t.same(await json(box), nothing)
  t.equal((await box.run('ls /run/polyns')).status, 2, 'and nothing was made')
})

t.test('sessions', { skip }, async (t) => {
  await using box = await machine()
  await box.startSshd({ pamLines: [PAM_LINE] })
  const [alice, second, bob] = [
    await Shell.open(box, 'alice'),
    await Shell.open(box, 'alice'),
    await Shell.open(box, 'bob'),
  ]
  await alice.run('head -c 3000000 /dev/zero >/tmp/big; ln /tmp/big /tmp/again; ln -s / /tmp/root')

  await t.test('are drawn below their users, those that share a namespace together', async (t) => {
    const session = /^ {3}├─ sshd +from 127\.0\.0\.1 +pid \d+ +for \d+ s$/
    t.match(linesOf(await text(box)), [
      /^alice \(5001\)$/,
      /^└─ namespace shared by 2 sessions, \d+ processes$/,
      session,
      session,
      /^ {3}├─ \/tmp + = {2}\/tmp\/inst\/alice +2\.9 MiB$/,
      /^ {3}└─ \/dev\/shm {2}= {2}\/dev\/shm\/inst\/alice +0 B$/,
      /^$/,
      /^bob \(5002\)$/,
      /^└─ sshd +from 127\.0\.0\.1 +pid \d+ +for \d+ s +\d+ processes$/,
      /^ {3}├─ \/tmp/,
      /^ {3}└─ \/dev\/shm/,
      /^$/,
      /^3 sessions, 2 users, 2 namespaces, 4 private directories with 2\.9 MiB$/,
    ])
  })
  await t.test(
    'in lines of ASCII where that is the language, and without a size when not asked',
    async (t) => {
      const picture = await box.sh(`${POLYNS} list --budget 0`, { env: { LANG: 'C' } })
      t.match(picture, /^ {3}`- \/dev\/shm {2}= {2}\/dev\/shm\/inst\/alice +not measured$/m)
      t.notMatch(picture, /[^\n -~]|with/)
    },
  )
  await t.test('as JSON', async (t) => {
    const { sessions, users, instances } = await json(box)
    t.match(sessions, [
      { user: 'alice', uid: 5001, service: 'sshd', rhost: '127.0.0.1', job: null, ended: null, age: Number },
      { user: 'alice', namespace: sessions[0].namespace },
      { user: 'bob' },
    ])
    t.match(sessions[0].mounts[0], { polydir: '/tmp', instance: '/tmp/inst/alice', fresh: false })
    t.equal(box.mntNs(sessions[0].pid), alice.mntNs, 'the pid is that of the session’s own sshd')
    const inNamespace = box.processes().filter(({ pid }) => box.mntNs(pid) === alice.mntNs)
    t.equal(sessions[0].processes, inNamespace.length)
    t.match(users[0], { user: 'alice', sessions: 2, namespaces: 1, processes: inNamespace.length })
    const [tmp] = instances
    t.match(tmp, { path: '/tmp/inst/alice', polydir: '/tmp', user: 'alice', uid: 5001, inUse: true })
    const du = Number((await box.sh('du -s --block-size=1 /tmp/inst/alice')).split('\t')[0])
    t.match(tmp, { bytes: du, complete: true }, 'as many bytes as du has')
    t.ok(Math.abs(Date.parse(tmp.changed) - Date.now()) < 60_000)
  })
  await t.test('is for root only', async (t) => {
    for (const args of ['', '--json']) {
      const r = await box.run(`${POLYNS} list ${args}`, { user: 'alice' })
      t.match(r, {
        status: 4,
        stdout: /^$/,
        stderr: /^polyns: listing the sessions: needs root, but runs as uid 5001\n$/,
      })
    }
    t.match(await box.run(`${POLYNS} list --budget soon`), { status: 2, stderr: /--budget takes a time/ })
  })
  await t.test(
    'leaves out what cannot be read, and who is gone; what they had is shown at the end',
    async (t) => {
      await box.sh('echo "{" >/run/polyns/sessions/5001-1-1.json; echo x >/run/polyns/sessions/other')
      await box.sh('mkdir -p /tmp/inst/.reaped.00112233/d /tmp/inst/stranger')
      await bob.close()
      await settled(box)
      const { sessions, instances, leftovers, unknown } = await json(box)
      t.match(sessions, [{ user: 'alice' }, { user: 'alice' }])
      t.equal(sessions.length, 2)
      const left = instances.filter(({ inUse }: { inUse: boolean }) => !inUse)
      t.match(left.map(({ path }: { path: string }) => path).sort(), ['/dev/shm/inst/bob', '/tmp/inst/bob'])
      t.match(leftovers, [{ path: '/tmp/inst/.reaped.00112233', complete: true }])
      t.match(unknown, [{ path: '/tmp/inst/stranger', why: /no user is called 'stranger'/ }])
      t.match(
        await text(box),
        new RegExp(
          [
            '\nwithout a session: for the next login, or for polyns reap',
            ' {3}/tmp/inst/bob +bob +0 B +changed \\d+ s ago',
            ' {3}/dev/shm/inst/bob +bob +0 B +changed \\d+ s ago',
            '\nset aside, for polyns reap to delete',
            ' {3}/tmp/inst/.reaped.00112233 +0 B +changed \\d+ s ago',
            '\nnot known whose',
            ' {3}/tmp/inst/stranger +no user is called .stranger.\n',
          ].join('\n'),
        ),
      )
    },
  )
  await t.test('is there also when the configuration or an instance parent is not', async (t) => {
    await box.sh('chown bob /tmp/inst')
    const { sessions, notes } = await json(box)
    t.match([sessions.length, notes], [2, [/^\/tmp\/inst: owner is uid 5002/]])
    t.match(await text(box), /\n! \/tmp\/inst: owner is uid 5002[^\n]*\n$/)
    await box.sh(
      'chown root /tmp/inst; echo nonsense >/etc/polyns/namespace.conf; rm -rf /run/polyns/last-good',
    )
    t.match(await json(box), { sessions: [{}, {}], notes: [/namespace\.conf/] })
  })
  await alice.close()
  await second.close()
})

t.test('a session that is over, while a process of it still has its directory', { skip }, async (t) => {
  await using box = await machine('/tmp /tmp/inst/ user:noinit:scope=session root\n')
  await box.pamApp({
    service: 'app',
    user: 'alice',
    command: 'setsid sleep 1000 </dev/null >/dev/null 2>&1 &',
  })
  const { sessions, ended, instances, unknown } = await json(box)
  t.match([sessions, unknown], [[], []])
  t.match(ended, [{ user: 'alice', ended: /^\d{4}-/, mounts: [{ fresh: true }] }])
  t.match(instances, [{ user: 'alice', inUse: false, polydir: '/tmp' }])
  const picture = await text(box)
  t.match(picture, /└─ app +pid \d+ +ENDED, was opened \d+ s ago +processes not known\n/)
  t.match(picture, /\nof ended sessions, until their last process has gone\n {3}\/tmp\/inst\/alice\.session/)
  t.match(picture, /\nno sessions, 0 users, 0 namespaces, 1 private directory/)
  await box.sh('pkill -x sleep')
})

t.test('what users can do to it', { skip }, async (t) => {
  await using box = await machine()
  const hostile = `\u001b[31m\u202e${'x'.repeat(200)}`
  const evil = await box.pamHold({ service: 'app', user: 'alice', rhost: hostile })
  const plain = await box.pamHold({ service: 'app', user: 'bob', rhost: '10.0.0.7' })

  await t.test(
    'a name that is long or moves the cursor is spelled out, and spoils no other line',
    async (t) => {
      const picture = await text(box)
      t.notMatch(picture, /(?!\n)[\p{Cc}\p{Cf}]/u)
      t.match(picture, /from \\u\{1b\}\[31m\\u\{202e\}x{200} /)
      t.match(picture, /from 10\.0\.0\.7 {2}pid/)
      t.equal((await json(box)).sessions[0].rhost, hostile)
    },
  )
  await t.test('a tree without end costs no more than the time there is, and hides no other', async (t) => {
    await box.sh('mkdir /tmp/inst/alice/many; cd /tmp/inst/alice/many; seq 200000 | xargs touch', {
      timeoutMs: 120_000,
    })
    await box.sh('head -c 50000 /dev/zero >/tmp/inst/bob/file')
    const before = performance.now()
    const { instances } = await json(box, '--budget 1s')
    t.ok(performance.now() - before < 10_000)
    const of = (path: string) => instances.find((one: { path: string }) => one.path === path)
    t.match(of('/tmp/inst/bob'), { complete: true })
    t.ok(of('/tmp/inst/bob').bytes >= 50_000)
    t.match(await text(box, '--budget 1s'), /\/tmp\/inst\/alice +(> )?\d/)
  })
  await t.test(
    'no link is followed and no mount crossed; a name that is no text does not matter',
    async (t) => {
      await box.sh(
        [
          'rm -r /tmp/inst/alice/many; cd /tmp/inst/alice && ln -s /usr usr && mkdir mnt host && mkfifo fifo',
          `mkdir "$(printf 'a\\377')"; head -c 70000 /dev/zero >"$(printf 'a\\377/b\\n')"`,
          'mount --bind /usr host && mount -t tmpfs x mnt && head -c 9000000 /dev/zero >mnt/big',
        ].join('; '),
      )
      const { instances } = await json(box)
      const alice = instances.find(({ path }: { path: string }) => path === '/tmp/inst/alice')
      t.equal(alice.complete, true)
      t.ok(alice.bytes >= 70_000 && alice.bytes < 200_000, `${alice.bytes}`)
      await box.sh('umount /tmp/inst/alice/mnt /tmp/inst/alice/host')
    },
  )
  await t.test('while directories come and go', async (t) => {
    const churn = box.spawn(
      'cd /tmp/inst/alice; while [ ! -e /run/stop ]; do mkdir -p a/b/c; ln -sfn /usr a/b/d; rm -rf a; done',
    )
    for (let i = 0; i < 5; i++) t.match(await json(box, '--budget 1s'), { notes: [] })
    await box.sh('touch /run/stop')
    await churn.exited
  })
  await evil.close()
  await plain.close()
})

t.test('thirty sessions of three users', { skip, timeout: 120_000 }, async (t) => {
  await using box = await machine('/tmp /tmp/inst/ user:noinit:scope=session root\n')
  const users = ['alice', 'bob', 'carol']
  const held = []
  for (let i = 0; i < 30; i += 6) {
    const some = Array.from({ length: 6 }, (_, j) => users[(i + j) % 3] ?? '')
    held.push(
      ...(await Promise.all(some.map((user) => box.pamHold({ service: 'app', user, tty: `pts/${i}` })))),
    )
  }
  const picture = await text(box)
  t.comment(picture)
  t.match(picture, /\n30 sessions, 3 users, 30 namespaces, 30 private directories with 0 B\n$/)
  t.equal(
    linesOf(picture).filter((line) => /^[├└]─ app +on pts\/\d+ +pid \d+ +for \d+ s +1 process$/.test(line))
      .length,
    30,
  )
  t.ok(linesOf(picture).every((line) => line.length < 100))
  await Promise.all(held.map((one) => one.close()))
})
