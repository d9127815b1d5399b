/* polyns reap and polyns epilog, called as cron and slurmd do: what goes, what stays, and what is never touched. */
import t from 'tap'
import { installPolyns, PAM_LINE, POLYNS } from '../support/install.js'
import { plainStack } from '../support/logins.js'
import { needs } from '../support/needs.js'
import { sleep } from '../support/run.js'
import { Sandbox } from '../support/sandbox.js'

const skip = needs('root', 'layer', 'dist')

async function machine(
  config = '/tmp /tmp/inst/ user:noinit root\n/dev/shm /dev/shm/inst/ user:noinit root\n',
) {
  const box = await Sandbox.start()
  await installPolyns(box, config)
  await box.pam('app', plainStack([PAM_LINE]))
  return box
}

const session = (box: Sandbox, user: string, command: string) => box.pamApp({ service: 'app', user, command })
const inTmp = async (box: Sandbox) => (await box.sh('ls -A /tmp/inst')).trim().split('\n').filter(Boolean)

interface Reaped {
  removed: { path: string }[]
  kept: { path: string; why: string }[]
  left: unknown[]
  complete: boolean
}
const reap = async (box: Sandbox, options = ''): Promise<Reaped> =>
  JSON.parse(await box.sh(`${POLYNS} reap --json ${options}`)) as Reaped

t.test('reap', { skip }, async (t) => {
  await using box = await machine()
  await session(box, 'alice', 'mkdir -p /tmp/a/b; echo x >/tmp/a/b/c; ln -s /etc /tmp/etc; mkfifo /tmp/fifo')
  await session(box, 'bob', 'echo y >/tmp/file; echo z >/dev/shm/segment')

  await t.test('says in a dry run what it would do, and does nothing', async (t) => {
    const before = await box.sh('ls -lR /tmp/inst /dev/shm/inst /run/polyns')
    const { removed } = await reap(box, '--dry-run')
    const paths = ['/dev/shm/inst/alice', '/dev/shm/inst/bob', '/tmp/inst/alice', '/tmp/inst/bob']
    t.same(removed.map(({ path }) => path).sort(), paths)
    t.equal(await box.sh('ls -lR /tmp/inst /dev/shm/inst /run/polyns'), before)
  })
  await t.test('keeps what a user with a session has, and removes the rest', async (t) => {
    const held = await box.pamHold({ service: 'app', user: 'alice' })
    const { kept } = await reap(box)
    t.match(kept.find(({ path }) => path === '/tmp/inst/alice')?.why, /^alice has a session through app/)
    t.same(await inTmp(box), ['alice'])
    t.equal(await box.sh('cat /tmp/inst/alice/a/b/c'), 'x\n')
    await held.close()
  })
  await t.test('keeps it while any process of the user lives, in whichever namespace', async (t) => {
    const sleeper = box.spawn(['sleep', '1000'], { user: 'alice' })
    const { pid } = await box.pidOf(sleeper)
    t.match((await reap(box)).kept[0]?.why, /alice has (process \d+|\d+ processes)/)
    t.same(await inTmp(box), ['alice'])
    await box.end(sleeper)
    t.ok(pid)
  })
  await t.test('keeps it while a namespace holds it, whoever is in there', async (t) => {
    const held = await box.pamHold({ service: 'app', user: 'alice' })
    const keeper = box.spawn(['nsenter', '-t', `${held.pid}`, '-m', '--', 'sleep', '1000'])
    for (let i = 0; i < 100 && !(await box.run('pgrep -x sleep')).stdout; i++) await sleep(20)
    await held.close()
    t.match((await reap(box)).kept.map(({ why }) => why).join(), /mounted in the namespace of process/)
    t.same(await inTmp(box), ['alice'])
    await box.end(keeper)
  })
  await t.test('counts processes of a subordinate uid', async (t) => {
    await box.sh('echo alice:200000:65536 >/etc/subuid')
    const sub = box.spawn(['setpriv', '--reuid', '200123', '--clear-groups', 'sleep', '1000'])
    for (let i = 0; i < 100 && !(await box.run('pgrep -x sleep')).stdout; i++) await sleep(20)
    t.match((await reap(box)).kept[0]?.why, /alice has process \d+/)
    await box.end(sub)
  })
  await t.test('waits until the user has been gone for --idle', async (t) => {
    t.match((await reap(box, '--idle 1h')).kept[0]?.why, /gone for 0 of 60 minutes/)
    t.same(await inTmp(box), ['alice'])
    await sleep(1100)
    t.match(await reap(box, '--idle 1s'), { kept: [], removed: [{}, {}] })
    t.same(await inTmp(box), [])
    t.equal(await box.sh('ls -d /etc/passwd'), '/etc/passwd\n', 'no link was followed')
  })
  await t.test('leaves alone what it cannot judge, and takes up what was left half-done', async (t) => {
    await box.sh(
      'mkdir /tmp/inst/nobody-here /tmp/inst/.reaped.0011 /tmp/inst/.reaped.0011/x; touch /tmp/inst/{file,.reaped.0000}',
    )
    const { kept, removed, left } = await reap(box)
    t.match(kept.map(({ why }) => why).sort(), [
      /no user is called 'file'|it is a file/,
      /no user is called 'nobody-here'/,
    ])
    t.match(removed, [])
    t.match(left, [{ path: '/tmp/inst/.reaped.0000', why: 'ENOTDIR' }])
    t.same(
      (await inTmp(box)).sort(),
      ['.reaped.0000', 'file', 'nobody-here'],
      'one does not keep it from the next',
    )
    await box.sh('rm -r /tmp/inst/* /tmp/inst/.reaped.*')
  })
  await t.test('refuses a parent that is not root’s alone', async (t) => {
    await box.sh('chown alice /tmp/inst')
    t.match(await box.run(`${POLYNS} reap`), { status: 5, stderr: /\/tmp\/inst: owner is uid 5001/ })
    await box.sh('chown root /tmp/inst')
  })
  await t.test('needs root, and a time that is one', async (t) => {
    t.match(await box.run(`${POLYNS} reap`, { user: 'alice' }), { status: 4 })
    t.match(await box.run(`${POLYNS} reap --idle soon`), { status: 2, stderr: /--idle takes a time such as/ })
  })
})

t.test('epilog', { skip }, async (t) => {
  await using box = await machine(
    '/tmp /tmp/inst/ user:noinit:scope=job root\n/dev/shm /dev/shm/inst/ user:noinit root\n',
  )
  const epilog = (job: string, user: string, options = '', uid = '') =>
    box.run(`${POLYNS} epilog --json ${options}`, {
      env: { SLURM_JOB_ID: job, SLURM_JOB_USER: user, ...(uid === '' ? {} : { SLURM_JOB_UID: uid }) },
    })
  const job = (id: number) =>
    box.sh(`${POLYNS} exec -u alice -j ${id} -- sh -c 'echo ${id} >/tmp/job; echo >/dev/shm/x'`)

  await t.test(
    'removes what was the job’s, keeps another job’s, and keeps the user’s while he lives',
    async (t) => {
      await job(7)
      await job(8)
      const sleeper = box.spawn(['sleep', '1000'], { user: 'alice' })
      await box.pidOf(sleeper)
      t.match(JSON.parse((await epilog('7', 'alice')).stdout), { removed: ['/tmp/inst/alice.job7'] })
      t.same(await inTmp(box), ['alice.job8'])
      t.equal(await box.sh('ls /dev/shm/inst'), 'alice\n')
      await box.end(sleeper)
      t.match(JSON.parse((await epilog('8', 'alice', '--dry-run')).stdout).removed.length, 2)
      t.same(await inTmp(box), ['alice.job8'], 'a dry run removes nothing')
      await epilog('8', 'alice')
      t.same(await inTmp(box), [])
      t.equal(await box.sh('ls /dev/shm/inst'), '')
    },
  )
  await t.test('refuses whom it should not believe, and leaves the node up', async (t) => {
    await job(9)
    for (const [id, user, uid] of [
      ['9', '', ''],
      ['9', 'root', ''],
      ['9', '..', ''],
      ['9', 'no-such-user', ''],
      ['9', '-alice', ''],
      ['9', 'alice', '5002'],
      ['9 ', 'alice', ''],
      ['../9', 'alice', ''],
      ['', 'alice', ''],
    ] as const) {
      const { status, stderr } = await epilog(id, user, '', uid)
      t.equal(status, 0, `${id} ${user} ${uid}`)
      t.match(stderr, /^polyns: epilog: SLURM_JOB_/)
    }
    t.same(await inTmp(box), ['alice.job9'])
  })
  await t.test('several at once and the same one twice: each thing is taken away once', async (t) => {
    for (let round = 0; round < 5; round++) {
      await job(9)
      await box.sh('cd /tmp/inst/alice.job9 && touch {1..2000} && cd /dev/shm/inst/alice && touch {1..2000}')
      const results = await Promise.all([1, 2, 3, 4].map(() => epilog('9', 'alice')))
      const said = results.map(({ status, stdout, stderr }) => ({ status, stderr, ...JSON.parse(stdout) }))
      for (const one of said) t.match(one, { status: 0, stderr: '', left: [], kept: [], complete: true })
      const removed = said.flatMap((one): string[] => one.removed).sort()
      t.same(removed, ['/dev/shm/inst/alice', '/tmp/inst/alice.job9'])
      const all = 'ls -A /tmp/inst /dev/shm/inst /run/polyns/sessions'
      t.equal(await box.sh(all), '/dev/shm/inst:\n\n/run/polyns/sessions:\n\n/tmp/inst:\n')
      const again = await epilog('9', 'alice')
      t.match({ ...again, ...JSON.parse(again.stdout) }, { status: 0, stderr: '', removed: [], left: [] })
    }
  })
  await t.test('--kill ends what the user has left, but not while he has a session', async (t) => {
    await job(10)
    const held = await box.pamHold({ service: 'app', user: 'alice' })
    const sleeper = box.spawn(['sh', '-c', 'trap "" TERM; while :; do sleep 0.1; done'], { user: 'alice' })
    await box.pidOf(sleeper)
    t.match(JSON.parse((await epilog('10', 'alice', '--kill')).stdout), { ended: [] })
    await held.close()
    const { ended, removed } = JSON.parse((await epilog('10', 'alice', '--kill')).stdout) as {
      ended: number[]
      removed: string[]
    }
    t.ok(ended.length > 0)
    t.equal((await sleeper.exited).signal ?? 'SIGKILL', 'SIGKILL')
    t.same(removed.sort(), ['/dev/shm/inst/alice', '/tmp/inst/alice'])
  })
  await t.test('says that the node is unusable where logins would be refused', async (t) => {
    await box.sh('mkdir -p /tmp/inst; chmod 777 /tmp/inst')
    t.match(await epilog('11', 'alice'), { status: 5, stderr: /mode is 0777/ })
  })
})

for (const options of ['hidepid=invisible', 'hidepid=ptraceable', 'subset=pid']) {
  t.test(`a /proc mounted with ${options}: everybody’s processes count all the same`, { skip }, async (t) => {
    await using box = await machine('/tmp /tmp/inst/ user:noinit root\n')
    for (const user of ['alice', 'bob', 'carol']) await session(box, user, 'touch /tmp/file')
    await box.sh(`mount -t proc -o ${options} proc /proc`)
    const blind = 'test ! -e /proc/1 || test ! -e /proc/stat'
    t.equal((await box.run(blind, { user: 'alice' })).status, 0, 'it is in force')
    const sleeper = box.spawn(['sleep', '1000'], { user: 'alice' })
    const { pid } = await box.pidOf(sleeper)
    const held = await box.pamHold({ service: 'app', user: 'bob' })
    const { kept, removed } = await reap(box)
    t.same(
      removed.map(({ path }) => path),
      ['/tmp/inst/carol'],
    )
    t.match(kept.map(({ why }) => why).sort(), [`alice has process ${pid}`, /^bob has a session through app/])
    await held.close()
    await box.end(sleeper)
    t.equal((await reap(box)).removed.length, 2)
    // Who may not look at others must not take them for gone.
    await session(box, 'alice', 'touch /tmp/file')
    const without = ['setpriv', '--bounding-set', '-sys_ptrace', POLYNS, 'reap']
    t.match(await box.run(without), { status: 4, stderr: /pid 1 has capabilities that this process lacks/ })
    t.same(await inTmp(box), ['alice'])
  })
}

/** Perl text: 5,000 processes of 100 users, one of which is carol's by its real id alone; tells when all are there. */
const CROWD = `
for my $i (1 .. 5000) {
  my $pid = fork() // die "fork: $!";
  if ($pid == 0) {
    my $uid = 6000 + $i % 100;
    $< = $i == 2500 ? 5003 : $uid;
    $> = $uid;
    sleep 1000 while 1;
  }
  print "$pid\\n" if $i == 2500;
  push @pids, $pid;
}
$SIG{TERM} = sub { kill "KILL", @pids; exit };
$| = 1; print "ready\\n"; sleep 1000 while 1`
/** Processes that come and go, as fast as they can be made. */
const STORM = 'waitpid(fork() || exit, 0) while 1'
/** One that goes on in a child, and that in another, each for a few milliseconds. */
const HOPPER = 'do { select undef, undef, undef, 0.005 } until fork'

t.test('5,000 processes, and more that come and go: the right users are gone', { skip }, async (t) => {
  await using box = await machine('/tmp /tmp/inst/ user:noinit root\n')
  for (const user of ['bob', 'carol']) await session(box, user, 'touch /tmp/file')
  const crowd = box.spawn(['perl', '-e', CROWD])
  const [, carols] = await crowd.waitFor(/^(\d+)\nready/m, 30_000)
  const storm = box.spawn(['setpriv', '--reuid', '6500', '--clear-groups', 'perl', '-e', STORM])
  box.spawn(['perl', '-e', HOPPER], { user: 'bob' })
  const times: number[] = []
  for (let i = 0; i < 10; i++) {
    await session(box, 'alice', 'touch /tmp/file')
    const started = Date.now()
    const { kept, removed, left } = await reap(box)
    times.push(Date.now() - started)
    t.same(
      removed.map(({ path }) => path),
      ['/tmp/inst/alice'],
    )
    t.match(kept.map(({ why }) => why).sort(), [/^bob has /, `carol has process ${carols}`])
    t.same(left, [])
  }
  t.comment(`reap with 5,000 processes: ${times.join(' ')} ms`)
  await box.end(storm)
  await box.end(crowd)
  for (let i = 0; i < 100 && (await box.run('pkill -KILL -u bob')).status === 0; i++);
})
