import t from 'tap'
import { parseConfig } from '../../../src/config/index.js'
import { names } from './fixtures/names.js'
import { errors, read } from './fixtures/read.js'

const PLAIN = {
  file: 'f',
  line: 1,
  polydir: '/tmp',
  prefix: '/i/',
  method: 'user',
  scope: 'user',
  flags: [],
  create: null,
  iscript: null,
  mntopts: null,
  mountFlags: [],
  keep: [],
  carry: [],
  users: { mode: 'except', names: [], uids: [], ranges: [], groups: [] },
}

const users = (some: object) => ({ users: { ...PLAIN.users, ...some } })

/** Lines that strict accepts without a word, and how they differ from PLAIN. */
const GOOD: readonly [sentence: string, line: string, differs: object][] = [
  ['three fields are enough', '/tmp /i/ user', {}],
  ['tabs, blanks and a comment do not matter', ' \t/tmp\t/i/  user   # for all', {}],
  ['lines may end as on Windows', '/tmp /i/ user\r', {}],
  ['trailing slashes of the directory go', '/tmp// /i/ user', {}],
  ['slashes of the prefix stay', '/tmp //i//x/ user', { prefix: '//i//x/' }],
  ['quotes hold blanks', '"/tmp dir" "/i"/x/ user', { polydir: '/tmp dir', prefix: '/i/x/' }],
  ['a backslash holds a blank', '/tmp\\ dir /i\\\\/ user', { polydir: '/tmp dir', prefix: '/i\\/' }],
  ['variables stay as they are', '$HOME/t /i/$USER/ user', { polydir: '$HOME/t', prefix: '/i/$USER/' }],
  ['letters of any script are letters', '/tmp/größe /i/ user', { polydir: '/tmp/größe' }],
  ['a tmpfs needs no prefix', '/tmp tmpfs tmpfs', { method: 'tmpfs', prefix: 'tmpfs' }],
  [
    'mount flags are taken out of mntopts',
    '/tmp "" tmpfs:mntopts=noexec,size=50%,nosuid',
    {
      method: 'tmpfs',
      prefix: '',
      flags: ['mntopts'],
      mntopts: 'size=50%',
      mountFlags: ['nosuid', 'noexec'],
    },
  ],
  [
    'mount flags come from both places once',
    '/tmp x tmpfs:mntopts=noexec:noexec:nodev',
    { method: 'tmpfs', prefix: 'x', flags: ['mntopts'], mountFlags: ['nodev', 'noexec'] },
  ],
  [
    'flags have one order',
    '/tmp /i/ level:iscript=/x:shared:create',
    {
      method: 'level',
      flags: ['create', 'shared', 'iscript'],
      iscript: '/x',
      create: { mode: null, owner: null, group: null },
    },
  ],
  [
    'a script is found beside the file',
    '/tmp /i/ user:iscript=x',
    { flags: ['iscript'], iscript: '/etc/polyns/namespace.d/x' },
  ],
  [
    'a mode is octal',
    '/tmp /i/ user:create=01777',
    { flags: ['create'], create: { mode: 0o1777, owner: null, group: null } },
  ],
  [
    'an owner brings his group',
    '/tmp /i/ user:create=,adm',
    { flags: ['create'], create: { mode: null, owner: 3990, group: 3990 } },
  ],
  [
    'a group can stand without an owner',
    '/tmp /i/ user:create=00,,staff',
    { flags: ['create'], create: { mode: 0, owner: null, group: 50 } },
  ],
  [
    'our flags are used',
    '/tmp /i/ user:scope=job:keep=.X11-unix,.ICE-unix:carry=krb5cc_*:nosuid',
    { scope: 'job', keep: ['.X11-unix', '.ICE-unix'], carry: ['krb5cc_*'], mountFlags: ['nosuid'] },
  ],
  ['listed users are exempt', '/tmp /i/ user root,adm', users({ names: ['root', 'adm'], uids: [0, 3990] })],
  [
    'a ~ turns the list around',
    '/tmp /i/ user ~alice',
    users({ mode: 'only', names: ['alice'], uids: [1000] }),
  ],
  ['groups are resolved', '/tmp /i/ user @staff', users({ groups: [{ name: 'staff', gid: 50 }] })],
  [
    'ranges are those of limits.conf',
    '/tmp /i/ user 0:999,60000:,:1000',
    users({
      ranges: [
        { min: 0, max: 999 },
        { min: 60000, max: 4294967294 },
        { min: 1000, max: 1000 },
      ],
    }),
  ],
]

for (const [sentence, line, differs] of GOOD) {
  t.test(sentence, (t) => {
    const { rules, problems } = read(line)
    t.strictSame(problems, [])
    t.strictSame(rules, [{ ...PLAIN, ...differs }])
    t.end()
  })
}

t.test('lines without data are passed over', (t) => {
  t.strictSame(read('\n  \t\n# a "comment\\\n   # another\n\r\n'), { rules: [], problems: [] })
  t.end()
})

t.test('lines are counted from one and keep their order', (t) => {
  const { rules } = read('# first\n\n/b /i/b/ user\n/a /i/a/ user\n')
  t.strictSame(
    rules.map(({ line, polydir }) => [line, polydir]),
    [
      [3, '/b'],
      [4, '/a'],
    ],
  )
  t.end()
})

t.test('a bad line does not hide the mistakes after it', (t) => {
  const { rules, problems } = read('/a /i/a/ foo\n/b /i/b/ user\n/c /i/c/ bar')
  t.strictSame(
    problems.map(({ line, code }) => [line, code]),
    [
      [1, 'unknown-method'],
      [3, 'unknown-method'],
    ],
  )
  t.equal(rules.length, 1)
  t.end()
})

t.test('columns count characters, not bytes or halves of characters', (t) => {
  t.strictSame(errors(read('/tmp/é😀 /i/ foo').problems), ['unknown-method@13'])
  t.end()
})

t.test('problems of several files come in the order of the files', (t) => {
  const sources = [
    { file: 'z', text: '/a /i/ foo\n/b /i/ user:x' },
    { file: 'a', text: '/c /i/ bar' },
  ]
  const { problems } = parseConfig(sources, { mode: 'strict', names })
  t.strictSame(
    problems.map(({ file, line }) => [file, line]),
    [
      ['z', 1],
      ['z', 2],
      ['a', 1],
    ],
  )
  t.end()
})

t.test('compat looks for scripts where pam_namespace does', (t) => {
  t.equal(read('/tmp /i/ user:iscript=x', 'compat').rules[0]?.iscript, '/etc/security/namespace.d/x')
  t.end()
})

/** Corners of compat that are easy to lose: the value that a C library reads, and which of two wins. */
const CORNERS: readonly [sentence: string, line: string, expected: object][] = [
  ['a mode can have a sign', '/a /i/ user:create=-01', { create: { mode: null } }],
  ['a mode can be hexadecimal', '/a /i/ user:create=0x1fF', { create: { mode: 0o777 } }],
  ['a mode can have blanks before it', '/a /i/ "user:create= 010"', { create: { mode: 8 } }],
  ['a mode ends where the number does', '/a /i/ user:create=08', { create: { mode: 0 } }],
  ['a mode is cut to 32 bits', '/a /i/ user:create=0x1000001ff', { create: { mode: 0o777 } }],
  [
    'the second create starts afresh',
    '/a /i/ user:create=0700,root:create',
    { create: { mode: null, owner: null } },
  ],
  ['an empty script does not undo a named one', '/a /i/ user:iscript=/x:iscript=', { iscript: '/x' }],
  [
    'the second mntopts replaces the first',
    '/a x tmpfs:mntopts=nodev,size=1M:mntopts=ro',
    { mntopts: 'ro', mountFlags: [] },
  ],
  ['an empty option in the middle goes', '/a x tmpfs:mntopts=size=1M,,ro', { mntopts: 'size=1M,ro' }],
  ['an empty option at the end leaves its comma', '/a x tmpfs:mntopts=size=1M,', { mntopts: 'size=1M,' }],
  ['a longer flag takes no value', '/a /i/ user:createx=0700', { create: { mode: null } }],
  ['users count as often as they are named', '/a /i/ user root,root', { users: { uids: [0, 0] } }],
]

for (const [sentence, line, expected] of CORNERS) {
  t.test(`compat: ${sentence}`, (t) => {
    const { rules, problems } = read(line, 'compat')
    t.strictSame(errors(problems), [])
    t.match(rules[0], expected)
    t.end()
  })
}
