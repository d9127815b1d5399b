/* polyns metrics: everything that happens is counted once, also when many things happen at once, and whatever dies meanwhile. */
import t from 'tap'
import { parseExposition } from '../support/exposition.js'
import { installPolyns, PAM_LINE, POLYNS } from '../support/install.js'
import { plainStack } from '../support/logins.js'
import { needs } from '../support/needs.js'
import { Sandbox } from '../support/sandbox.js'
import { logged, shellApp } from './state.js'

const skip = needs('root', 'layer', 'dist')
const CONFIG = '/tmp /tmp/inst/ user:noinit root\n'
const TALLY = '/run/polyns/tally'

async function machine(): Promise<Sandbox> {
  const box = await Sandbox.start()
  await installPolyns(box, CONFIG)
  await box.pam('app', plainStack([PAM_LINE]))
  return box
}
const session = (box: Sandbox, user: string) => box.pamApp({ service: 'app', user })

/** The samples whose names begin so, without that beginning. */
async function figures(
  box: Sandbox,
  prefix: string,
  command = `${POLYNS} metrics`,
): Promise<Record<string, number>> {
  const { samples } = parseExposition(await box.sh(command))
  const ours = [...samples].filter(([name]) => name.startsWith(`polyns_${prefix}`))
  return Object.fromEntries(ours.map(([name, value]) => [name.slice(`polyns_${prefix}`.length), value]))
}
const opens = async (box: Sandbox) => (await figures(box, 'opens_total'))['{how="built"}']

t.test('what happens is counted', { skip }, async (t) => {
  await using box = await machine()
  await t.test('nothing, on a machine where nothing has', async (t) => {
    const { samples } = parseExposition(await box.sh(`${POLYNS} metrics`))
    const names = [...samples].filter(([, value]) => value !== 0).map(([name]) => name.replace(/"\d.*"/, ''))
    t.same(names, [
      'polyns_build_info{version=}',
      'polyns_config_ok',
      'polyns_instance_parents_ok',
      'polyns_tally_ok',
      'polyns_instance_bytes_complete',
    ])
    t.equal((await box.run('ls /run/polyns')).status, 2, 'and nothing was made')
  })
  await t.test('openings, by what the session got, and how long they took', async (t) => {
    const alice = await box.pamHold({ service: 'app', user: 'alice' })
    const other = await box.pamHold({ service: 'app', user: 'alice' })
    const bob = await box.pamHold({ service: 'app', user: 'bob' })
    await session(box, 'root')
    const how = { built: 2, joined: 1, kept: 0, host: 0, nothing: 1 }
    t.same(
      await figures(box, 'opens_total'),
      Object.fromEntries(Object.entries(how).map(([name, value]) => [`{how="${name}"}`, value])),
    )
    const { sum, count, ...rest } = Object.fromEntries(
      Object.entries(await figures(box, 'open_seconds_')).map(([name, value]) => [name, value]),
    )
    t.equal(count, 3)
    t.equal(rest['bucket{le="+Inf"}'], 3)
    const took = [alice, other, bob].reduce((all, { report }) => all + report.openMs / 1000, 0)
    t.ok(sum !== undefined && sum > 0.02 && sum < took, `${sum} s of ${took} s that the application waited`)
    t.match(await figures(box, ''), {
      'sessions{service="app"}': 3,
      users: 2,
      namespaces: 2,
      'instances{state="in_use"}': 2,
      'instances{state="idle"}': 0,
      closes_total: 0,
    })
    for (const held of [alice, other, bob]) await held.close()
    t.match(await figures(box, ''), {
      users: 0,
      namespaces: 0,
      'instances{state="idle"}': 2,
      closes_total: 3,
    })
  })
  await t.test('refusals by their reason, and what --fail-open lets in', async (t) => {
    await box.sh('chown bob /tmp/inst')
    t.not((await session(box, 'alice')).open, 0)
    t.match(await figures(box, 'instance', `${POLYNS} metrics 2>/dev/null`), { _parents_ok: 0 })
    await box.sh('chown root /tmp/inst')
    t.equal((await shellApp(box, { PAM_USER: 'nobody-here' })).status, 5)
    t.equal((await shellApp(box, { PAM_USER: 'nobody-here' }, { args: '--fail-open' })).status, 0)
    t.equal((await shellApp(box, { PAM_USER: 'alice' }, { args: '--no-such-option' })).status, 2)
    t.equal((await shellApp(box, { PAM_USER: 'alice' }, { args: '--config /etc/none' })).status, 3)
    t.same(await figures(box, 'refusals_total'), {
      '{reason="failed"}': 0,
      '{reason="usage"}': 1,
      '{reason="config"}': 1,
      '{reason="unsupported"}': 0,
      '{reason="unsafe"}': 2,
    })
    t.match(await figures(box, 'fail_open_total'), { '{reason="unsafe"}': 1, '{reason="usage"}': 0 })
    t.match(await figures(box, 'opens_total'), { '{how="built"}': 2 }, 'and none of them as an opening')
  })
  await t.test('what reap and epilog take away', async (t) => {
    await box.sh('mkdir -p /tmp/inst/alice/a/b; touch /tmp/inst/alice/a/b/c; echo 12345 >/tmp/inst/bob/file')
    t.match(await figures(box, 'instance'), { _bytes: 4096, _bytes_complete: 1 })
    await box.sh(`${POLYNS} epilog`, { env: { SLURM_JOB_ID: '7', SLURM_JOB_USER: 'bob' } })
    await box.sh(`${POLYNS} reap --dry-run`)
    await box.sh(`${POLYNS} reap`)
    t.match(await figures(box, 'reap'), {
      '_runs_total{by="reap"}': 1,
      '_runs_total{by="epilog"}': 1,
      'ed_instances_total{by="reap"}': 1,
      'ed_instances_total{by="epilog"}': 1,
      'ed_entries_total{by="reap"}': 4,
      'ed_entries_total{by="epilog"}': 2,
    })
    t.ok(((await figures(box, 'reap'))['_seconds_total{by="reap"}'] ?? 0) > 0.01)
  })
  await t.test('a broken configuration is seen, and so is the last good one', async (t) => {
    await box.sh(`${POLYNS} check && echo nonsense >/etc/polyns/namespace.conf`)
    const good = await box.run(`${POLYNS} metrics`)
    t.match(good.stdout, /^polyns_config_ok 0\npolyns_config_last_good_in_use 1$|\npolyns_config_ok 0\n/)
    t.match(await figures(box, 'config', `${POLYNS} metrics`), { _ok: 0, _last_good_in_use: 1 })
    await box.sh('rm -r /run/polyns/last-good')
    t.match(await figures(box, 'config', `${POLYNS} metrics`), { _ok: 0, _last_good_in_use: 0 })
    t.match((await box.run(`${POLYNS} metrics`)).stderr, /^polyns metrics: \/etc\/polyns\/namespace\.conf:1:/)
    await box.write('/etc/polyns/namespace.conf', CONFIG)
  })
  await t.test('a service with quotes in its name', async (t) => {
    const service = 'a"b\\c'
    await box.sh(
      ['sh', '-c', `${POLYNS} pam && ${POLYNS} metrics >/run/out; PAM_TYPE=close_session ${POLYNS} pam`],
      { env: { PAM_TYPE: 'open_session', PAM_SERVICE: service, PAM_USER: 'alice' } },
    )
    const { samples } = parseExposition(await box.read('/run/out'))
    t.equal(samples.get('polyns_sessions{service="a\\"b\\\\c"}'), 1)
  })
})

t.test('nothing is lost and nothing counted twice', { skip, timeout: 300_000 }, async (t) => {
  await using box = await machine()
  let expected = 0

  await t.test('fifty openings while others count without a pause', async (t) => {
    await session(box, 'alice')
    // Rotates in the middle of it.
    await box.sh(`yes 'nothing 1' | head -n 7000 >>${TALLY}`)
    const loop =
      'while [ ! -e /run/stop ]; do /usr/sbin/polyns metrics --budget 0 >/dev/null || touch /run/failed; done'
    const counting = [box.spawn(loop), box.spawn(loop)]
    for (let i = 0; i < 50; i += 5)
      await Promise.all(['alice', 'bob', 'carol', 'alice', 'bob'].map((user) => session(box, user)))
    await box.sh('touch /run/stop')
    for (const running of counting) await running.exited
    const { samples } = parseExposition(await box.sh(`${POLYNS} metrics`))
    const count = (how: string) => samples.get(`polyns_opens_total{how="${how}"}`) ?? 0
    t.equal(count('built') + count('joined'), 51)
    t.equal(count('nothing'), 7000)
    t.equal(samples.get('polyns_closes_total'), 51)
    t.equal(samples.get('polyns_refusals_total{reason="unsafe"}'), 0)
    t.equal((await box.run('ls /run/failed')).status, 2)
    t.match(await box.sh('ls /run/polyns'), /^tally\.old$/m, 'and the tally was rotated')
    expected = count('built')
  })
  await t.test('a counter that is killed while it changes a file', async (t) => {
    let killed = 0
    const paths = ['totals.json', 'totals.json.new', 'tally', 'tally.old'].map(
      (name) => `-P /run/polyns/${name}`,
    )
    for (const lines of [1, 6600]) {
      for (const [syscall, nth] of [
        ['write', 1],
        ['rename', 1],
        ['rename', 2],
      ] as const) {
        await box.sh(`echo 'built 20000' >>${TALLY}; yes 'nothing 1' | head -n ${lines} >>${TALLY}`)
        expected++
        // Its file is only to tell whether it was killed there.
        const strace = `strace -f -qq -o /run/trace ${paths.join(' ')} -e trace=${syscall} -e inject=${syscall}:signal=KILL:when=${nth}`
        await box.run(`${strace} ${POLYNS} metrics --budget 0 >/dev/null`)
        killed += (await box.read('/run/trace')).includes('killed by SIGKILL') ? 1 : 0
        t.equal(await opens(box), expected, `${syscall} ${nth}, ${lines} lines`)
      }
    }
    t.ok(killed >= 4, `it was killed ${killed} times`)
  })
  await t.test('one who opened the file before it was rotated, and writes late', async (t) => {
    await box.sh(`rm -f ${TALLY}.old`)
    await box.sh(
      [
        `yes 'nothing 1' | head -n 8000 >>${TALLY}; exec 9>>${TALLY}`,
        `${POLYNS} metrics --budget 0 >/dev/null; test -e ${TALLY}.old; echo 'built 5' >&9`,
        `${POLYNS} metrics --budget 0 >/dev/null; echo 'built 5' >&9`,
      ].join('; '),
    )
    expected += 2
    t.equal(await opens(box), expected)
    t.match(await box.sh('ls /run/polyns'), /^tally\.old$/m, 'it stays, others may come')
    // Eleven minutes later.
    const later = 'const now = Date.now; Date.now = () => now() + 660_000\n'
    await box.write('/run/later.cjs', later)
    await box.sh(
      `echo 'built 5' >>${TALLY}.old; node -r /run/later.cjs /opt/polyns/dist/start.cjs metrics >/dev/null`,
    )
    t.notMatch(await box.sh('ls /run/polyns'), /^tally\.old$/m)
    expected++
    t.equal(await opens(box), expected)
  })
  await t.test('half a line, and lines that are none', async (t) => {
    await box.sh(`printf 'rubbish\\n\\0\\377\\nbuilt x\\nbuilt 5\\nbui' >>${TALLY}`)
    expected++
    t.equal(await opens(box), expected)
    await box.sh(`printf 'lt 5\\n' >>${TALLY}`)
    expected++
    t.equal(await opens(box), expected)
  })
  await t.test('totals that are damaged begin anew', async (t) => {
    await box.sh('echo "{" >/run/polyns/totals.json')
    t.ok(((await opens(box)) ?? -1) >= 0)
  })
})

t.test('a tally that cannot be written refuses nobody', { skip, timeout: 120_000 }, async (t) => {
  await using box = await machine()
  await session(box, 'alice')
  t.equal(await opens(box), 1)
  const opened = async (what: string) => t.match(await session(box, 'alice'), { open: 0, close: 0 }, what)

  for (const [what, make] of [
    ['a directory', `mkdir ${TALLY}`],
    ['a link to nowhere', `ln -s /nonexistent/x ${TALLY}`],
    [
      'a link to a file of somebody’s',
      `touch /tmp/of-bob; chown bob /tmp/of-bob; ln -s /tmp/of-bob ${TALLY}`,
    ],
    ['a fifo', `mkfifo ${TALLY}`],
    ['a file that is full', `truncate -s 5M ${TALLY}`],
  ] as const) {
    await box.sh(`rm -rf ${TALLY}; ${make}`)
    await opened(what)
    t.match(await figures(box, 'tally'), { _ok: what === 'a file that is full' ? 0 : 1 }, 'which is told')
  }
  t.equal(await opens(box), 1, 'and none of them is counted')
  await box.sh(`rm -rf ${TALLY}.old`)
  t.equal(await box.sh('cat /tmp/of-bob'), '')
  await box.sh(`rm -rf ${TALLY}`)

  await t.test('a full /run, with room for the record only', async (t) => {
    const fill = 'head -c 1000000 /dev/zero >/run/polyns/fill 2>/dev/null; truncate -s -4096 /run/polyns/fill'
    await box.sh('mount -t tmpfs -o size=64k,mode=755 small /run/polyns')
    await session(box, 'alice')
    await box.sh(`rm ${TALLY}; ${fill}`)
    const { open, close } = await session(box, 'alice')
    t.same([open, close], [0, 0])
    t.equal(await box.read(TALLY), 'closed\n', 'the record is gone then, and has left its room')
    await box.sh('head -c 1000000 /dev/zero >>/run/polyns/fill || true')
    t.match(await box.run(`${POLYNS} metrics`), {
      status: 0,
      stderr: /^polyns metrics: the sums could not be kept: ENOSPC/,
    })
    await box.sh(`rm /run/polyns/fill; echo 'built 5' >>${TALLY}`)
    const filled = await box.run(`head -c 1000000 /dev/zero >/run/polyns/fill; ${POLYNS} metrics`)
    t.equal(
      parseExposition(filled.stdout).samples.get('polyns_opens_total{how="built"}'),
      1,
      'counted without being kept',
    )
    await box.sh('rm /run/polyns/fill')
    t.equal(await opens(box), 1)
    await box.sh('umount /run/polyns')
  })
  await t.test('a limit on the size of files', async (t) => {
    await box.sh(`yes 'nothing 1' | head -n 3000 >${TALLY}`)
    const status = await box.sh(['bash', '-c', `ulimit -f 10; ${POLYNS} pam >/dev/null; echo $?`], {
      env: { PAM_TYPE: 'open_session', PAM_SERVICE: 'app', PAM_USER: 'alice' },
    })
    t.equal(status, '0\n')
    t.match((await logged(box)).at(-1), /opened, built/)
  })
  t.equal(await box.sh(`stat -c '%a %U' ${TALLY}`), '644 root\n', 'as this test made it')
  await box.sh(`rm ${TALLY}`)
  await session(box, 'alice')
  await box.sh(`${POLYNS} metrics`)
  t.equal(
    await box.sh(`stat -c '%a %U' ${TALLY} /run/polyns/totals.json`),
    '600 root\n600 root\n',
    'as polyns does',
  )
})

t.test('--output', { skip }, async (t) => {
  await using box = await machine()
  const dir = '/var/lib/node-exporter'
  await box.sh(`mkdir -p ${dir}`)
  await t.test('replaces the file, readable for all, and leaves nothing beside it', async (t) => {
    await box.sh(`touch /etc/precious; ln -s /etc/precious ${dir}/polyns.prom`)
    t.equal(await box.sh(`cd ${dir}; umask 077; ${POLYNS} metrics --output polyns.prom`), '')
    t.equal(
      await box.sh(`ls -A ${dir}; stat -c '%a %F' ${dir}/polyns.prom`),
      'polyns.prom\n644 regular file\n',
    )
    t.equal(await box.sh('cat /etc/precious'), '')
    parseExposition(await box.read(`${dir}/polyns.prom`))
  })
  await t.test('a reader never sees a part of it', async (t) => {
    const writer = box.spawn(
      `while [ ! -e /run/stop ]; do ${POLYNS} metrics --budget 0 --output ${dir}/polyns.prom; done`,
    )
    for (let i = 0; i < 50; i++) parseExposition(await box.read(`${dir}/polyns.prom`))
    await box.sh('touch /run/stop')
    t.equal((await writer.exited).status, 0)
  })
  await t.test('keeps the old one when it cannot be written', async (t) => {
    const before = await box.read(`${dir}/polyns.prom`)
    await box
      .sh(`mount -t tmpfs -o size=4k small /mnt; head -c 9000 /dev/zero >/mnt/polyns.prom`)
      .catch(() => {})
    t.match(await box.run(`${POLYNS} metrics --output /mnt/polyns.prom`), { status: 1, stderr: /ENOSPC/ })
    t.equal(await box.sh('ls -A /mnt; stat -c %s /mnt/polyns.prom'), 'polyns.prom\n4096\n')
    t.match(await box.run(`${POLYNS} metrics --output /nonexistent/x.prom`), { status: 1, stderr: /ENOENT/ })
    t.equal(await box.read(`${dir}/polyns.prom`), before)
    await box.sh('umount /mnt')
  })
  await t.test('is for root only', async (t) => {
    t.match(await box.run(`${POLYNS} metrics`, { user: 'alice' }), { status: 4, stdout: /^$/ })
  })
})
