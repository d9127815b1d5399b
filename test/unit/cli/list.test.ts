/* The words and the picture of polyns list. */
import t from 'tap'
import { drawList } from '../../../src/cli/list-picture.js'
import type { Holding, Machine, SessionView } from '../../../src/cli/list-types.js'
import { ageWords, sizeWords, usageWords } from '../../../src/cli/list-words.js'

t.test('sizes', (t) => {
  for (const [bytes, words] of [
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.0 KiB'],
    [4096, '4.0 KiB'],
    [10_200, '10 KiB'],
    [1023 * 1024, '1.0 MiB'],
    [1.25 * 2 ** 30, '1.3 GiB'],
    [3 * 2 ** 60, '3072 PiB'],
  ] as const) {
    t.equal(sizeWords(bytes), words)
  }
  t.equal(usageWords({ bytes: 4096, complete: false }), '> 4.0 KiB')
  t.equal(usageWords(null), 'not measured')
  t.end()
})

t.test('ages', (t) => {
  for (const [seconds, words] of [
    [-5, '0 s'],
    [0, '0 s'],
    [59.9, '59 s'],
    [60, '1 min'],
    [119, '1 min'],
    [3600, '1 h'],
    [3600 + 12 * 60 + 59, '1 h 12 min'],
    [2 * 86_400 + 3600, '2 d 1 h'],
    [2 * 86_400 + 60, '2 d'],
    [40 * 86_400 + 7200, '40 d'],
  ] as const) {
    t.equal(ageWords(seconds * 1000), words)
  }
  t.end()
})

function session(
  user: string,
  uid: number,
  pid: number,
  more: Partial<SessionView['record']> = {},
): SessionView {
  return {
    isLive: true,
    ageMs: 60_000 * pid,
    processes: 3,
    record: {
      version: 1,
      id: 'c1',
      user,
      uid,
      service: 'sshd',
      tty: null,
      rhost: '10.0.0.7',
      job: null,
      leader: { pid, tid: pid, startTime: '1' },
      namespace: `id:${uid}`,
      plan: '',
      joinable: true,
      mounts: [
        { polydir: '/tmp', instance: `/tmp/inst/${user}`, dev: '0:1', ino: '1', fresh: false },
        { polydir: '/dev/shm', instance: null, dev: '0:1', ino: '1', fresh: false },
      ],
      opened: '2026-01-01T00:00:00.000Z',
      ...more,
    },
  }
}
const holding = (path: string, kind: Holding['kind'], bytes: number): Holding => ({
  path,
  polydir: null,
  user: kind === 'leftover' ? null : 'carol',
  uid: 3,
  job: kind === 'left' ? '4711' : null,
  kind,
  usage: { bytes, changedMs: 0, complete: bytes !== 5000 },
})

const machine: Machine = {
  sessions: [
    session('alice', 1, 10),
    session('alice', 1, 20, { service: 'su-l', rhost: null, tty: 'pts/3' }),
    session('bob', 2, 3000, { job: '4711', service: 'slurm', rhost: null, namespace: 'id:9' }),
    session('bob', 2, 5, { ended: '2026-01-01T00:00:00.000Z', namespace: 'id:10' }),
    session('eve\u001b[2J', 4, 1, { rhost: `a\nroot ${'x'.repeat(90)}` }),
  ],
  holdings: [
    holding('/tmp/inst/alice', 'in use', 5000),
    holding('/tmp/inst/carol.job4711', 'left', 2 ** 30),
    holding('/tmp/inst/.reaped.1', 'leftover', 0),
  ],
  unknown: [{ path: '/tmp/inst/x', why: 'it is a file' }],
  notes: ['/tmp/other: owner is uid 5'],
  configuration: 'good',
  areParentsSafe: true,
}

t.test('the picture', (t) => {
  t.equal(
    `\n${drawList(machine, { utf8: true, color: false }, 90_000_000)}`,
    `
alice (1)
└─ namespace shared by 2 sessions, 3 processes
   ├─ sshd  from 10.0.0.7            pid 10    for 10 min
   ├─ su-l  on pts/3                 pid 20    for 20 min
   ├─ /tmp      =  /tmp/inst/alice         > 4.9 KiB
   └─ /dev/shm  =  tmpfs

bob (2)
├─ slurm                   job 4711  pid 3000  for 2 d 2 h                  3 processes
│  ├─ /tmp      =  /tmp/inst/bob
│  └─ /dev/shm  =  tmpfs
└─ sshd     from 10.0.0.7            pid 5     ENDED, was opened 5 min ago  3 processes
   ├─ /tmp      =  /tmp/inst/bob
   └─ /dev/shm  =  tmpfs

eve\\u{1b}[2J (4)
└─ sshd     from a\\u{a}root ${'x'.repeat(90)}            pid 1     for 1 min                    3 processes
   ├─ /tmp      =  /tmp/inst/eve\\u{1b}[2J
   └─ /dev/shm  =  tmpfs

without a session: for the next login, or for polyns reap
   /tmp/inst/carol.job4711  carol  job 4711  1.0 GiB  changed 1 d 1 h ago

set aside, for polyns reap to delete
   /tmp/inst/.reaped.1                       0 B      changed 1 d 1 h ago

not known whose
   /tmp/inst/x  it is a file

4 sessions, 3 users, 3 namespaces, 3 private directories with > 1.0 GiB
! /tmp/other: owner is uid 5
`,
  )
  t.end()
})

t.test('without UTF-8, and in colour', (t) => {
  const picture = drawList(machine, { utf8: false, color: true }, 0)
  const bold = (text: string) => `\u001b[1m${text}\u001b[0m`
  t.ok(picture.startsWith(`${bold('alice (1)')}\n\`- namespace`))
  t.notMatch(
    picture.replaceAll('\u001b[1m', '').replaceAll('\u001b[0m', ''),
    /[^\n -~]/,
    'what users have written moves no cursor',
  )
  t.end()
})
