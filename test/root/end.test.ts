/* What belongs to one session goes with its last process: tmpdir and scope=session, at a real logout. */
import t from 'tap'
import { installPolyns, PAM_LINE, POLYNS } from '../support/install.js'
import { needs } from '../support/needs.js'
import { Sandbox } from '../support/sandbox.js'

const skip = needs('root', 'layer', 'dist')

const instances = async (box: Sandbox) => (await box.sh('ls -A /tmp/inst')).split('\n').filter(Boolean)
const records = async (box: Sandbox) =>
  (await box.sh('ls -A /run/polyns/sessions')).split('\n').filter(Boolean)

const login = async (box: Sandbox, command: string) => (await box.ssh('alice', command)).stdout

async function machine(line: string): Promise<Sandbox> {
  const box = await Sandbox.start()
  await installPolyns(box, `${line}\n`)
  await box.startSshd({ pamLines: [PAM_LINE] })
  return box
}

for (const [name, line] of [
  ['tmpdir', '/tmp /tmp/inst/ tmpdir root'],
  ['scope=session', '/tmp /tmp/inst/ user:scope=session root'],
] as const) {
  t.test(`${name}: the directory and all in it go at logout`, { skip }, async (t) => {
    await using box = await machine(line)
    const stdout = await login(
      box,
      'mkdir -p /tmp/a/b && echo x >/tmp/a/b/c && ln -s /etc /tmp/etc && ls /tmp',
    )
    t.equal(stdout, 'a\netc\n')
    t.same(await instances(box), [])
    t.same(await records(box), [])
    t.equal(await box.sh('ls -d /etc'), '/etc\n', 'no link was followed')
    t.ok(
      (await box.syslog()).some((line) => /session of alice closed, removed \/tmp\/inst\//.test(line)),
      'and the log says so',
    )
  })

  t.test(`${name}: a process that stays keeps it, and it goes at the next close`, { skip }, async (t) => {
    await using box = await machine(line)
    await login(box, 'echo kept >/tmp/file; setsid sleep 1000 >/dev/null 2>&1 </dev/null & sleep 0.2')
    const [kept, ...others] = await instances(box)
    t.same(others, [])
    t.equal(await box.sh(`cat /tmp/inst/${kept}/file`), 'kept\n')
    const sleeper = (await box.sh('pgrep -x sleep')).trim()
    t.match(await box.sh(`ls /proc/${sleeper}/root/tmp`), 'file', 'its view is what it was')
    await box.sh(`kill ${sleeper}`)
    await login(box, 'true')
    t.same(await instances(box), [])
    t.same(await records(box), [])
  })

  t.test(`${name}: two sessions of one user have one each`, { skip }, async (t) => {
    await using box = await machine(line)
    const first = await box.pamHold({ service: 'sshd', user: 'alice', command: 'touch /tmp/first' })
    t.equal(await login(box, 'ls /tmp'), '', 'the second does not see the file of the first')
    t.equal((await instances(box)).length, 1, 'and its end takes only its own')
    await first.close()
    t.same(await instances(box), [])
  })
}

t.test('what cannot be taken away keeps its record, and goes later', { skip }, async (t) => {
  await using box = await machine('/tmp /tmp/inst/ tmpdir root')
  const held = await box.pamHold({ service: 'sshd', user: 'alice' })
  const [name] = await instances(box)
  await box.sh(`mount --bind /srv /tmp/inst/${name}`)
  t.equal((await held.close()).close, 0)
  t.same(await instances(box), [name])
  t.equal((await records(box)).length, 1, 'without it nobody would look for the directory again')
  t.ok((await box.syslog()).some((line) => line.includes(`'/tmp/inst/${name}' could not be removed yet`)))
  await box.sh(`umount /tmp/inst/${name} && ${POLYNS} reap`)
  t.same(await instances(box), [])
  t.same(await records(box), [])
})

t.test('one whose session hangs does not keep reap from the others', { skip }, async (t) => {
  await using box = await machine('/tmp /tmp/inst/ tmpdir root')
  for (const user of ['alice', 'bob']) {
    const held = await box.pamHold({ service: 'sshd', user })
    await box.end(held.running, 'SIGKILL')
  }
  t.equal((await instances(box)).length, 2)
  const lock = box.spawn(['flock', '/run/polyns/lock/5001', 'sh', '-c', 'echo held; exec sleep 1000'])
  await lock.waitFor(/held/)
  const started = Date.now()
  await box.sh(`${POLYNS} reap`)
  t.ok(Date.now() - started < 25_000, 'a login waits 30 s for the lock')
  t.equal((await instances(box)).length, 1)
  t.match(await records(box), [/^5001-/])
  await box.end(lock)
  await box.sh(`pkill -x sleep; ${POLYNS} reap`)
  t.same(await instances(box), [])
  t.same(await records(box), [])
})

for (const [line, name] of [
  ['/tmp /tmp/inst/ tmpdir root', '0123abcd'],
  ['/tmp /tmp/inst/ user:scope=session root', 'alice.sessionp7_1'],
] as const) {
  t.test(`${name}, of which no record tells: it goes when nobody can be in it`, { skip }, async (t) => {
    await using box = await machine(line)
    const held = await box.pamHold({ service: 'sshd', user: 'alice' })
    const [used] = await instances(box)
    await box.sh(`rm /run/polyns/sessions/*; mkdir /tmp/inst/${name}; touch /tmp/inst/${name}/file`)
    await box.sh(`${POLYNS} reap`)
    t.same(
      (await instances(box)).sort(),
      [name, used].sort(),
      'not while a session may just be about to be recorded',
    )
    const later = () => box.sh(['node', '-r', '/run/later.cjs', '/opt/polyns/dist/polyns.cjs', 'reap'])
    await box.write('/run/later.cjs', 'const { now } = Date; Date.now = () => now() + 3_600_000')
    await later()
    t.same(await instances(box), [used], 'nor while a namespace holds it')
    await held.close()
    await later()
    t.same(await instances(box), [])
  })
}

t.test('the directory of the user stays at logout', { skip }, async (t) => {
  await using box = await machine('/tmp /tmp/inst/ user root')
  await login(box, 'touch /tmp/file')
  t.same(await instances(box), ['alice'])
  t.same(await records(box), [])
  t.equal((await box.ssh('alice', 'ls /tmp')).stdout, 'file\n')
})
