/* polyns setup and what it finds in /run/polyns: the last boot's, and its own half-made things. */
import t from 'tap'
import { POLYNS } from '../support/install.js'
import { needs } from '../support/needs.js'
import { ALL_PRIVATE, machine, nothingToDo, ok, setup, table } from './setup.js'

const skip = needs('root', 'layer', 'dist')
t.setTimeout(400_000) // one machine, many runs

const CONFIG = `/tmp /tmp/polyns-inst/ user:noinit root
/dev/shm /var/shm-inst/ user:noinit root
/var/tmp tmpfs tmpfs root
$HOME /var/home-inst/ user:noinit root
`

t.test('what sessions have left before the first setup of a boot stays', { skip }, async (t) => {
  await using box = await machine(CONFIG)
  await box.sh(
    'mkdir -p -m 700 /run/polyns/{sessions,lock}; chmod 755 /run/polyns; touch /run/polyns/{sessions/1-2-3.json,lock/1}',
  )
  await ok(t, box)
  t.equal(await box.sh('cd /run/polyns; ls sessions lock'), 'lock:\n1\n\nsessions:\n1-2-3.json\n')
})

t.test('what another boot has left is dropped, but for what is in use', { skip }, async (t) => {
  await using box = await machine(CONFIG)
  const clean = box.mountinfo()
  await ok(t, box)
  await ok(t, box, '--undo')
  const sleeper = box.spawn(['sleep', '1000'])
  const { pid } = await box.pidOf(sleeper)
  const start = (await box.sh(`cut -d ' ' -f 22 /proc/${pid}/stat`)).trim()
  const holder = box.spawn('exec 9>/run/polyns/lock/5002; flock 9; echo held; exec sleep 1000')
  await holder.waitFor(/held/)
  const files = `sessions/5001-${pid}-${start}.json sessions/5001-${pid}-1.json sessions/5003-1-2.json sessions/.77
    lock/5001 last-good/x.json last-good/x.json.12.34 setup.json.new boot-id.new`
  await box.sh(`cd /run/polyns; echo another >boot-id; touch ${files.replace(/\s+/g, ' ')}
    echo '{"format":1,"bootId":"another","changes":[{"kind":"parent","path":"/inst"}]}' >setup.json`)
  const full = await box.snapshot()
  const line = /would +rm -rf (.*) +# left by another boot; what is in use stays/
  t.match((await ok(t, box, '--dry-run')).join('\n'), line)
  t.same(await box.snapshot(), full, 'a dry run drops nothing')
  t.match(
    (await ok(t, box)).join('\n'),
    /done +rm -rf \/run\/polyns\/sessions\/\* .* \/run\/polyns\/setup\.json +# left by another boot/,
  )
  t.strictSame((await box.sh("find /run/polyns -type f -printf '%P\\n' | sort")).trimEnd().split('\n'), [
    'boot-id',
    'last-good/%2Fetc%2Fpolyns%2Fnamespace.conf.strict.json',
    'lock/5002',
    `sessions/5001-${pid}-${start}.json`,
    'setup.json',
  ])
  await nothingToDo(t, box)
  await ok(t, box, '--undo')
  t.same(box.mountinfo(), clean)
})

t.test(
  'a run that was killed between attaching a bind and making it private is carried on, not doubled',
  { skip },
  async (t) => {
    await using box = await machine(CONFIG)
    const clean = box.mountinfo()
    await ok(t, box)
    const whole = box.mountinfo()
    await box.sh('mount --make-shared /var/shm-inst; mount --make-shared /tmp')
    const lines = (await ok(t, box)).filter((line) => line.startsWith('done'))
    t.match(
      lines.join('\n'),
      /^done +mount --make-rprivate \/tmp .*\ndone +mount --make-rprivate \/var\/shm-inst .*$/,
    )
    t.same(box.mountinfo(), whole)
    await ok(t, box, '--undo')
    t.same(box.mountinfo(), clean)
  },
)

/** Calls of setup, each with how often it is made at least. */
const POINTS = { mount: 1, move_mount: 3, mount_setattr: 5, rename: 5 }

t.test(
  'a run that is killed anywhere is taken back by --undo, or gone on with',
  { skip, timeout: 110_000 },
  async (t) => {
    await using box = await machine(CONFIG)
    await box.sh(ALL_PRIVATE)
    const before = table(box)
    let unfinished = 0
    for (const [call, times] of Object.entries(POINTS)) {
      for (let n = 1; n <= times; n++) {
        // strace ends it in place of the call: after everything that comes before, and with nothing that comes after.
        const inject = `inject=${call}:signal=KILL:when=${n}`
        const killed = await box.run([
          'strace',
          '-f',
          '-o',
          '/dev/null',
          '-e',
          `trace=${call}`,
          '-e',
          inject,
          POLYNS,
          'setup',
        ])
        t.equal(killed.signal ?? killed.status, 'SIGKILL', inject)
        if (table(box).join() !== before.join()) unfinished++
        await ok(t, box, '--undo')
        t.strictSame(table(box), before, `before ${call} number ${n}: taken back`)
      }
    }
    t.ok(unfinished > 5, `${unfinished} were killed half way`)
    await box.run([
      'strace',
      '-f',
      '-o',
      '/dev/null',
      '-e',
      'inject=move_mount:signal=KILL:when=3',
      POLYNS,
      'setup',
    ])
    await ok(t, box)
    await nothingToDo(t, box)
    await ok(t, box, '--undo')
    t.strictSame(table(box), before, 'gone on with, and taken back')
  },
)

t.test('/run/polyns that is not root’s alone is refused', { skip }, async (t) => {
  await using box = await machine(CONFIG)
  await box.sh('mkdir /run/polyns; chown alice: /run/polyns')
  const before = box.mountinfo()
  t.match(await setup(box), { status: 5, stderr: /\/run\/polyns: must be root's alone/ })
  t.same(box.mountinfo(), before)
})
