/*
 * Session records that are cut off, changed or made up. A record is root's own word on which directory goes with a session, so
 * whatever it says by accident, nothing goes but a directory that is what it was, in an instance parent that is root's alone.
 */
import t from 'tap'
import { generator, pick, type Random, SEED } from '../fuzz/random.js'
import { call, install } from '../support/inside.js'
import { installPolyns, PAM_LINE, POLYNS } from '../support/install.js'
import { plainStack } from '../support/logins.js'
import { needs } from '../support/needs.js'
import { Sandbox } from '../support/sandbox.js'
import type { RecordsReport } from './entry/records.js'

const skip = needs('root', 'layer', 'dist')
const CASES = Number(process.env.FUZZ_CASES ?? 1500)
const PRECIOUS = ['/etc/passwd', '/srv/open/dir/file', '/srv/inst/bob/file', '/tmp', '/srv/inst']

const ODD: readonly unknown[] = [
  ...[null, true, -1, 0, 1.5, 1e308, 2 ** 53, '', '/', '.', '..', 'etc', '/etc', '/etc/passwd', '//', '/..'],
  ...['/srv/open/dir', '/srv/inst/..', '/srv/inst/.', '/srv/inst/', '/srv/inst/bob', '/srv/inst/../open/dir'],
  ...['/srv/inst/bob\0', 'x'.repeat(5000), '../../../../etc/passwd', '1e3', '0x10', '-1'],
  ...[[], ['1'], {}, { length: 3 }, JSON.parse('{"__proto__":{"fresh":true}}'), [[['1']]]],
]

type Json = Record<string, unknown>

/** One place in `value`, at any depth, becomes another value, goes, or gets another name. */
function changed(value: Json, random: Random): Json {
  const copy: Json = Array.isArray(value) ? (value.slice() as unknown as Json) : { ...value }
  const key = pick(random, Object.keys(copy))
  const inner = copy[key]
  if (typeof inner === 'object' && inner !== null && Object.keys(inner).length > 0 && random(4) > 0) {
    copy[key] = changed(inner as Json, random)
  } else if (random(8) === 0) delete copy[key]
  else if (random(12) === 0) copy[pick(random, ['__proto__x', 'constructor', 'toString', 'mounts'])] = inner
  else copy[key] = pick(random, ODD)
  return copy
}

function texts(record: Json): string[] {
  const whole = JSON.stringify(record)
  const cut = Array.from({ length: whole.length }, (_, i) => whole.slice(0, i))
  const others = Array.from({ length: CASES }, (_, i) => {
    const random = generator(SEED + i)
    let one = record
    for (let times = 1 + random(3); times > 0; times--) one = changed(one, random)
    const text = JSON.stringify(one)
    if (random(4) > 0) return text.replaceAll('__proto__x', '__proto__')
    const at = random(text.length)
    return text.slice(0, at) + String.fromCharCode(random(256)) + text.slice(at + random(3))
  })
  return [...cut, ...others]
}

t.test('whatever a record says', { skip, timeout: 110_000 }, async (t) => {
  await using box = await Sandbox.start()
  await box.sh(`mount -t tmpfs -o mode=755 srv /srv
    mkdir -p /srv/open/dir /srv/inst/{alice.session7,bob} && touch /srv/open/dir/file /srv/inst/{bob,alice.session7}/file
    chmod 000 /srv/inst`)
  // The directory is another one by now, or is in a parent that is not root's alone.
  const stat = async (path: string) => (await box.sh(['stat', '-c', '%i %Hd:%Ld', path])).trim().split(' ')
  const program = await install(box, 'records')
  for (const [instance, of] of [
    ['/srv/open/dir', '/srv/open/dir'],
    ['/srv/inst/bob', '/srv/inst/alice.session7'],
    ['/srv/inst/..', '/srv'],
    ['/srv/inst/.', '/srv/inst'],
  ]) {
    const [ino, dev] = await stat(of ?? '')
    const mount = { polydir: '/tmp', instance, dev, ino, fresh: true }
    const record = {
      ...{ version: 1, id: '7', user: 'alice', uid: 5001, service: 'app', tty: null, rhost: null, job: null },
      ...{
        leader: { pid: 999999, tid: 999999, startTime: '1' },
        namespace: '1:2',
        plan: 'x',
        joinable: false,
      },
      ...{ mounts: [mount], opened: '2024-01-01T00:00:00.000Z', ended: '2024-01-01T00:00:01.000Z' },
    }
    await box.write('/run/texts', JSON.stringify(texts(record)))
    const report = await call<RecordsReport>(box, program, {
      uid: 5001,
      texts: '/run/texts',
      precious: PRECIOUS,
    })
    const { faults, accepted, refused, slowestMs } = report
    t.comment(
      `${instance}: ${accepted} accepted, ${refused} refused, the slowest ${Math.round(slowestMs)} ms`,
    )
    t.strictSame(faults, [])
    t.ok(accepted > 20 && refused > 100)
    t.ok(slowestMs < 5000)
  }
})

t.test('the commands that read records, with such ones there', { skip, timeout: 110_000 }, async (t) => {
  await using box = await Sandbox.start()
  await installPolyns(box, '/tmp /tmp/inst/ user:noinit root\n')
  await box.pam('app', plainStack([PAM_LINE]))
  await box.pamApp({ service: 'app', user: 'alice', close: false })
  const own = JSON.parse(await box.sh('cat /run/polyns/sessions/*.json')) as Json
  const all = texts(own).slice(-60)
  for (const [i, text] of all.entries())
    await box.write(`/run/polyns/sessions/5001-${900000 + i}-1.json`, text)
  for (const command of ['list', 'list --json', 'metrics', 'doctor', 'inspect 1', 'reap --dry-run', 'reap']) {
    const { stderr, signal } = await box.run(`${POLYNS} ${command}`, { timeoutMs: 60_000 })
    t.equal(signal, null, command)
    t.notMatch(stderr, /defect of polyns|TypeError|RangeError/, command)
  }
  const { open } = await box.pamApp({ service: 'app', user: 'alice' })
  t.equal(open, 0, 'and a login goes on')
})
