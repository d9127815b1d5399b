/* Doctor's findings about what is left over: processes without a session, records, directories, locks. */
import t from 'tap'
import { findingsOf, mends } from '../support/doctor.js'
import { installPolyns, PAM_LINE, POLYNS } from '../support/install.js'
import { needs } from '../support/needs.js'
import { sleep } from '../support/run.js'
import { Sandbox } from '../support/sandbox.js'

const skip = needs('root', 'layer', 'dist')
const INST = '/tmp/polyns-inst'

/** Waits until a shell condition holds. */
async function until(box: Sandbox, condition: string): Promise<void> {
  for (const start = Date.now(); Date.now() - start < 30_000; await sleep(50)) {
    if ((await box.run(condition)).status === 0) return
  }
  throw new Error(`not so: ${condition}`)
}

t.test('sessions that have ended', { skip }, async (t) => {
  await using box = await Sandbox.start()
  await installPolyns(box)
  await box.sh(`${POLYNS} setup`)
  await box.startSshd({ pamLines: [PAM_LINE] })
  const noRecord = 'test -z "$(ls /run/polyns/sessions)"'

  await t.test('what has outlived its session, as with nohup', async (t) => {
    const { stdout } = await box.ssh('alice', 'nohup sleep 600 >/dev/null 2>&1 </dev/null & echo $!')
    await until(box, noRecord)
    const pid = stdout.trim()
    const [found, ...others] = await findingsOf(box, 'orphan-namespaces')
    t.match(found, { severity: 'note', saw: RegExp(`without a session: uid 5001: ${pid}$`), mend: [] })
    t.strictSame(others, [])
    await box.sh(['kill', pid])
    await until(box, `! test -e /proc/${pid}`)
    t.strictSame(await findingsOf(box, 'orphan-namespaces'), [])
  })

  await t.test('a live session is none', async (t) => {
    const alice = box.spawn(['ssh', 'alice@127.0.0.1', 'echo there; sleep 600'])
    await alice.waitFor(/there/)
    for (const id of ['orphan-namespaces', 'stale-records', 'locks-held'])
      t.strictSame(await findingsOf(box, id), [], id)
    await box.end(alice)
    await box.sh('pkill -x sleep || true')
    await until(box, noRecord)
  })

  await t.test('the record of a session that was killed', async (t) => {
    const alice = box.spawn(['ssh', 'alice@127.0.0.1', 'echo there; sleep 600'])
    await alice.waitFor(/there/)
    await mends(t, box, {
      id: 'stale-records',
      severity: 'note',
      break:
        'leader=$(ls /run/polyns/sessions | cut -d- -f2); kill -9 $leader; pkill -x sleep; ' +
        'for i in {1..600}; do test -e /proc/$leader || break; sleep 0.05; done',
      saw: /^sessions whose process has ended: alice:\d+$/,
    })
    t.match(await box.run(`ls -d ${INST}/alice`), { status: 0 }, "the user's directory stays")
  })
})

t.test('directories', { skip }, async (t) => {
  await using box = await Sandbox.start()
  await installPolyns(box)
  await box.sh(`${POLYNS} setup; install -d -m 1777 ${INST}/bob; touch ${INST}/bob/file`)
  await mends(t, box, {
    id: 'leftovers',
    severity: 'note',
    break: `mkdir -p ${INST}/.reaped.0123456789abcdef/a/b; touch ${INST}/.reaped.0123456789abcdef/a/b/c`,
    saw: /set aside and not yet deleted: \/tmp\/polyns-inst\/\.reaped\.0123456789abcdef$/,
  })
  t.match(await box.run(`ls -d ${INST}/bob/file`), { status: 0 }, 'what is there of users stays')
  await mends(t, box, {
    id: 'nobodys-instances',
    severity: 'note',
    break: `mkdir ${INST}/ghost`,
    saw: /^\/tmp\/polyns-inst\/ghost has no user$/,
    by: `rmdir ${INST}/ghost`,
  })
  await mends(t, box, {
    id: 'nobodys-instances',
    severity: 'note',
    break: `touch ${INST}/carol`,
    saw: /^\/tmp\/polyns-inst\/carol is no directory$/,
    by: `rm ${INST}/carol`,
  })
})

t.test('locks', { skip }, async (t) => {
  await using box = await Sandbox.start()
  await installPolyns(box)
  await box.sh(`${POLYNS} setup`)
  for (const [path, what] of [
    ['/run/polyns/lock/5001', 'a user’s'],
    ['/run/polyns', 'that of setup'],
  ] as const) {
    await t.test(what, async (t) => {
      if (path.endsWith('5001')) await box.sh(`touch ${path}`)
      // In the background: a starter in the foreground would stop with it.
      const take = `open F, '<', '${path}'; flock F, 2; kill STOP => $$`
      const { stdout } = await box.run([
        'bash',
        '-c',
        `perl -e "$1" >/dev/null 2>&1 </dev/null & echo $!`,
        'take',
        take,
      ])
      const pid = stdout.trim()
      await until(box, `grep -q '^State:.T' /proc/${pid}/status`)
      const [found] = await findingsOf(box, 'locks-held')
      t.match(found, {
        severity: 'error',
        saw: RegExp(`^${path} is held by process ${pid} \\(perl\\), which has been stopped$`),
      })
      t.strictSame(found?.mend, [`kill -CONT ${pid}`])
      await box.sh(['sh', '-ec', found?.mend.join('\n') ?? 'false'])
      await until(box, `! test -e /proc/${pid}`)
      t.strictSame(await findingsOf(box, 'locks-held'), [])
    })
  }
  await mends(t, box, {
    id: 'locks-old',
    severity: 'note',
    break: 'touch /run/polyns/lock/4999',
    saw: /uids without a user: 4999$/,
  })
  t.match(await box.run('ls /run/polyns/lock'), { stdout: /^5001\n$/ })
})
