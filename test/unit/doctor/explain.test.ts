import t from 'tap'
import { parseConfig } from '../../../src/config/index.js'
import { explainLines, type Person, thingsOf } from '../../../src/doctor/explain.js'
import type { Fact, Surroundings } from '../../../src/doctor/look.js'
import { shellSteps } from '../../../src/doctor/steps.js'
import { makePlan, type PlanOptions, type Who } from '../../../src/ns/plan.js'
import type { View } from '../../../src/session/open.js'
import { names } from '../config/fixtures/names.js'

const ALICE: Who = {
  user: 'alice',
  uid: 1000,
  gid: 1000,
  gids: [1000, 50],
  home: '/home/alice',
  sessionId: 'ID',
  jobId: '12',
}
const BOB: Person = { user: 'bob', uid: 1001, gids: [1001] }

const rulesOf = (text: string) => parseConfig([{ file: 'f', text }], { mode: 'strict', names }).rules

t.test('whether a line applies, and why', (t) => {
  const cases: [list: string, applies: boolean, why: string][] = [
    ['', true, 'for everybody'],
    ['root', true, 'for everybody but root'],
    ['root,alice', false, 'for everybody but root, alice: alice is listed'],
    ['root,@staff', false, 'for everybody but root, group staff: alice is listed, as group staff'],
    ['900:1999', false, 'for everybody but uids 900 to 1999: alice is listed, as uids 900 to 1999'],
    [':1000', false, 'for everybody but uid 1000: alice is listed, as uid 1000'],
    ['~alice', true, 'alice is listed'],
    ['~bob,@staff', true, 'alice is listed, as group staff'],
    ['~bob', false, 'for only bob'],
  ]
  for (const [list, applies, why] of cases) {
    t.match(
      explainLines(rulesOf(`/tmp /i/ user ${list}`), ALICE, 'own', null),
      [{ applies, why }],
      `"${list}"`,
    )
  }
  t.match(
    explainLines(rulesOf('/tmp /i/ user alice'), { ...ALICE, user: 'alice2' }, 'own', null),
    [{ why: /: alice2 is listed, as alice, who has the same uid/ }],
    'names are compared by uid',
  )
  t.match(explainLines(rulesOf('$HOME/tmp /i/ user:scope=job'), ALICE, 'own', null), [
    { file: 'f', line: 1, polydir: '/home/alice/tmp', method: 'user', scope: 'job' },
  ])
  t.end()
})

t.test('what su and sudo make of it', (t) => {
  const rules = rulesOf('/tmp /i/ user bob\n/dev/shm /j/ user')
  const why = (view: View, requester: Person | null) =>
    explainLines(rules, ALICE, view, requester).map((line) => (line.applies ? 'yes' : line.why))
  t.same(why('own', BOB), ['yes', 'yes'])
  t.same(why('unmnt-remnt', BOB), ['yes', 'yes'])
  t.match(why('unmnt-only', BOB), ['yes', /^it is for bob, who asks, too: with --unmnt-only/])
  t.match(why('global', null), [/--global/, /--global/])
  t.end()
})

const there = (mode = 0o1777, uid = 0, gid = 0): Fact => ({
  state: 'there',
  mode,
  uid,
  gid,
  dev: '0:1',
  ino: '7',
})
const MISSING: Fact = { state: 'missing' }
const FOUND: Surroundings = { polydir: there(), parent: there(0), instance: there(), script: null, kept: [] }

function commands(line: string, found: Partial<Surroundings>, options: PlanOptions = {}) {
  const plan = makePlan(rulesOf(line), 'strict', ALICE, () => '', options)
  const steps = shellSteps(plan, [{ ...FOUND, ...found }])
  t.match(steps[0], { command: 'unshare --mount' })
  t.match(steps[1], { command: 'mount --make-rslave /' })
  t.match(steps.at(-2), { command: /^mount -t tmpfs -o ro,.* polyns:1000 \/run\/polyns\/ns$/ })
  t.match(steps.at(-1), { command: 'mount --make-rshared /' })
  return steps.slice(2, -2).map(({ command }) => command)
}

t.test('the shell lines', (t) => {
  const cases: [
    name: string,
    line: string,
    found: Partial<Surroundings>,
    expected: string[],
    PlanOptions?,
  ][] = [
    ['all is there', '/tmp /t/i/ user', {}, ['mount --bind --make-private /t/i/alice /tmp']],
    [
      'nothing is there',
      '/tmp /t/i/ user',
      { parent: MISSING, instance: MISSING },
      ['mkdir -m 000 /t/i', 'mkdir -m 1777 /t/i/alice', 'mount --bind --make-private /t/i/alice /tmp'],
    ],
    [
      'a polydir that the user owns, and mount flags',
      '$HOME/t /t/i/ user:nosuid:noexec',
      { polydir: there(0o700, 1000, 1000), instance: MISSING },
      [
        'mkdir -m 0700 /t/i/alice',
        'chown 1000:1000 /t/i/alice',
        'mount --bind --make-private /t/i/alice /home/alice/t',
        'mount -o remount,bind,nosuid,noexec /home/alice/t',
      ],
    ],
    [
      'create=',
      '/s /t/i/ user:create=01777,root,root',
      { polydir: MISSING, instance: MISSING },
      ['mkdir -m 1777 /s', 'mkdir -m 1777 /t/i/alice', 'mount --bind --make-private /t/i/alice /s'],
    ],
    [
      'a job, and an instance that could not be looked at',
      '/tmp /t/i/ user:scope=job',
      { instance: { state: 'unknown', why: '' } },
      ['mkdir -m 1777 /t/i/alice.job12', 'mount --bind --make-private /t/i/alice.job12 /tmp'],
    ],
    [
      'a fresh directory',
      '/tmp /t/i/x- tmpdir',
      { instance: null },
      ['mkdir -m 1777 /t/i/x-XXXXXXXX', 'mount --bind --make-private /t/i/x-XXXXXXXX /tmp'],
    ],
    [
      'a tmpfs',
      '/dev/shm tmpfs tmpfs:mntopts=size=1G,nodev',
      { parent: null, instance: null },
      ['mount --make-private -t tmpfs -o size=1G,nodev polyns /dev/shm'],
    ],
    [
      'a context, and what is kept',
      '/tmp /t/i/ level:keep=.X11-unix,gone',
      { instance: MISSING, kept: ['.X11-unix'] },
      [
        'mkdir -m 1777 /t/i/u:o:t:s1_alice',
        'chcon u:o:t:s1 /t/i/u:o:t:s1_alice',
        'mount --bind --make-private /t/i/u:o:t:s1_alice /tmp',
        'mount --bind /proc/1/root/tmp/.X11-unix /tmp/.X11-unix',
      ],
      { contextOf: () => ({ context: 'u:o:t:s1' }) },
    ],
    [
      'a script, for an instance that is there',
      '/tmp /t/i/ user:iscript=/etc/x.sh',
      { script: 'runs' },
      ['mount --bind --make-private /t/i/alice /tmp', 'env -i /etc/x.sh /tmp /t/i/alice 0 alice 1 1'],
    ],
  ]
  for (const [name, line, found, expected, options] of cases)
    t.same(commands(line, found, options), expected, name)
  t.same(
    shellSteps(
      makePlan([], 'strict', ALICE, () => ''),
      [],
    ),
    [],
    'no line, no step',
  )
  t.end()
})

t.test('each thing that is needed is named once', (t) => {
  const plan = makePlan(rulesOf('/tmp /t/i/a- user\n/var/tmp /t/i/b- user'), 'strict', ALICE, () => '')
  const bad: Fact = { state: 'refused', why: 'mode is 0755, not 0000' }
  const around = [0, 1].map(() => ({ ...FOUND, parent: bad, script: 'absent' as const }))
  t.same(
    thingsOf(plan, around).map(({ path, role, state }) => `${role} ${path} ${state}`),
    [
      'directory /tmp there',
      'instance parent /t/i refused',
      'instance /t/i/a-alice there',
      'init script /etc/polyns/namespace.init missing',
      'directory /var/tmp there',
      'instance /t/i/b-alice there',
    ],
  )
  t.end()
})
