import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type CheckOptions, check } from '../../../src/cli/check.js'
import { names } from './fixtures/names.js'
import { me, tree } from './fixtures/tree.js'

const GOOD = [
  '/tmp /tmp/inst/ user:create=01777:noinit:nosuid root,@staff',
  '$HOME/t /i/$USER- tmpdir:keep=a:carry=b* ~alice,2000:',
  '/dev/shm tmpfs tmpfs:scope=job:mntopts=size=1G',
].join('\n')

/** Runs the command over files of the test; `conf` is the directory that they are in. */
function run(t: Test, files: Record<string, string>, options: Partial<CheckOptions>, io: object = {}) {
  const conf = tree(t, files)
  let out = ''
  let err = ''
  const status = check(
    {
      files: [],
      strict: false,
      json: false,
      ...options,
      ...(options.files && { files: options.files.map((file) => join(conf, file)) }),
    },
    {
      names,
      owner: me,
      euid: 1,
      color: false,
      candidates: [{ file: join(conf, 'namespace.conf'), mode: 'strict' }],
      lastGoodDirectory: join(conf, 'last-good'),
      out: (text) => (out += text),
      err: (text) => (err += text),
      ...io,
    },
  )
  return { status, out: out.replaceAll(`${conf}/`, ''), err: err.replaceAll(`${conf}/`, ''), conf }
}

t.test('the JSON has its keys in their order', (t) => {
  const { status, out } = run(
    t,
    { 'a.conf': `${GOOD}\n/b /i/ foo` },
    { files: ['a.conf'], json: true, strict: true },
  )
  t.equal(status, 3)
  const none = { mode: 'except', names: [], uids: [] }
  const expected = {
    files: ['a.conf'],
    ok: false,
    entries: [
      {
        file: 'a.conf',
        line: 1,
        polydir: '/tmp',
        prefix: '/tmp/inst/',
        method: 'user',
        scope: 'user',
        flags: ['create', 'noinit'],
        create: { mode: '1777', owner: null, group: null },
        iscript: null,
        mntopts: null,
        mountFlags: ['nosuid'],
        keep: [],
        carry: [],
        users: { mode: 'except', names: ['root'], uids: [0], groups: [{ name: 'staff', gid: 50 }] },
      },
      {
        file: 'a.conf',
        line: 2,
        polydir: '$HOME/t',
        prefix: '/i/$USER-',
        method: 'tmpdir',
        scope: 'user',
        flags: [],
        create: null,
        iscript: null,
        mntopts: null,
        mountFlags: [],
        keep: ['a'],
        carry: ['b*'],
        users: { mode: 'only', names: ['alice'], uids: [1000], ranges: [{ min: 2000, max: 4294967294 }] },
      },
      {
        file: 'a.conf',
        line: 3,
        polydir: '/dev/shm',
        prefix: 'tmpfs',
        method: 'tmpfs',
        scope: 'job',
        flags: ['mntopts'],
        create: null,
        iscript: null,
        mntopts: 'size=1G',
        mountFlags: [],
        keep: [],
        carry: [],
        users: none,
      },
    ],
    problems: [
      {
        file: 'a.conf',
        line: 4,
        column: 8,
        severity: 'error',
        code: 'unknown-method',
        message: 'unknown method "foo"',
      },
    ],
  }
  t.equal(out, `${JSON.stringify(expected)}\n`)
  t.end()
})

t.test('with a user the paths are expanded and only what applies is listed', (t) => {
  const files = { 'a.conf': GOOD }
  const alice = run(t, files, { files: ['a.conf'], json: true, user: 'alice', ruser: 'root' })
  t.equal(alice.status, 0)
  t.match(JSON.parse(alice.out).entries, [
    { polydir: '/tmp', rpolydir: '/tmp' },
    { polydir: '/home/alice/t', prefix: '/i/alice-', rpolydir: '/root/t' },
    { polydir: '/dev/shm' },
  ])
  const root = JSON.parse(run(t, files, { files: ['a.conf'], json: true, user: 'root' }).out)
  t.strictSame(
    root.entries.map(({ line, rpolydir }: { line: number; rpolydir?: string }) => [line, rpolydir]),
    [[3, undefined]],
  )
  const grouped = { gidsOf: () => [1001, 50] }
  const bob = JSON.parse(run(t, files, { files: ['a.conf'], json: true, user: 'bob' }, grouped).out)
  t.strictSame(
    bob.entries.map(({ line }: { line: number }) => line),
    [3],
  )
  t.end()
})

t.test('a user for whom a path cannot be used is an error', (t) => {
  const { status, out } = run(
    t,
    { 'a.conf': '$HOME /i/ user' },
    { files: ['a.conf'], json: true, user: 'relative' },
  )
  t.equal(status, 3)
  t.match(JSON.parse(out), { ok: false, entries: [], problems: [{ line: 1, code: 'bad-expansion' }] })
  t.end()
})

t.test('a user who does not exist is an error', (t) => {
  for (const options of [{ user: 'nosuch' }, { user: 'alice', ruser: 'nosuch' }]) {
    const { status, err } = run(t, { 'a.conf': GOOD }, { files: ['a.conf'], ...options })
    t.equal(status, 3)
    t.match(err, /unknown user "nosuch" \[no-such-user\]/)
  }
  t.end()
})

t.test('a good file is told in words', (t) => {
  const { status, out, err } = run(t, { 'a.conf': GOOD }, { files: ['a.conf'], strict: true })
  t.equal(status, 0)
  t.equal(err, '')
  t.match(out, /^a\.conf \(strict\): ok\n {2}LINE {2}DIRECTORY {2}INSTANCE {2,}FOR {2,}BESIDES\n/)
  t.match(
    out,
    /1 {5}\/tmp {7}\/tmp\/inst\/USER, for each user {2,}everybody but root, group staff {2,}nosuid, made/,
  )
  t.match(
    out,
    /\/i\/\$USER-RANDOM, for each session {2,}only alice, uids 2000 to 4294967294 {2,}keeps a, carries b\*/,
  )
  t.match(out, /a tmpfs with size=1G, for each job {2,}everybody\n/)
  t.end()
})

t.test('a bad file is told as blocks, and the good ones beside it are not lost', (t) => {
  const files = { 'a.conf': '/tmp /i/ user:craete root\n', 'b.conf': '/tmp /i/ user root\n' }
  const { status, out, err } = run(t, files, { files: ['a.conf', 'b.conf'], strict: true })
  t.equal(status, 3)
  t.match(err, /^a\.conf:1:15: error: unknown flag "craete" \[unknown-flag\]\n/)
  t.match(err, /\n1 error, 0 warnings\n$/)
  t.match(out, /^b\.conf \(strict\): ok\n/)
  t.end()
})

t.test('named files are read compatibly and do not disturb each other', (t) => {
  const files = { 'a.conf': '/tmp /i/ user:craete root\n', 'b.conf': '/tmp /i/ user root\n' }
  const { status, err } = run(t, files, { files: ['a.conf', 'b.conf'] })
  t.equal(status, 0)
  t.match(err, /warning: unknown flag "craete"; it is ignored/)
  t.match(err, /\n0 errors, 1 warning\n$/)
  t.end()
})

t.test('colour is for terminals', (t) => {
  const { err } = run(t, { 'a.conf': 'bad' }, { files: ['a.conf'] }, { color: true })
  t.match(err, '\x1b[1;31merror\x1b[0m')
  t.end()
})

t.test('without a file it reads what a session would read', (t) => {
  const { status, out } = run(t, { 'namespace.conf': GOOD, 'namespace.d/a.conf': '/x /i/x/ user\n' }, {})
  t.equal(status, 0)
  t.match(out, /namespace\.conf \(strict\): ok[\s\S]*namespace\.d\/a\.conf \(strict\): ok/)
  const missing = run(t, {}, {})
  t.equal(missing.status, 3)
  t.match(missing.err, /there is no configuration; looked for /)
  t.end()
})

t.test('root keeps what a session would read and what is good', (t) => {
  const kept = (files: Record<string, string>, options: Partial<CheckOptions>, euid: number) => {
    const { conf } = run(t, files, options, { euid })
    try {
      return readdirSync(join(conf, 'last-good')).length
    } catch {
      return 0
    }
  }
  const good = { 'namespace.conf': GOOD }
  t.equal(kept(good, {}, 0), 1)
  t.equal(kept(good, { json: true }, 0), 1)
  t.equal(kept(good, {}, 1000), 0)
  t.equal(kept(good, { files: ['namespace.conf'] }, 0), 0)
  t.equal(kept(good, { strict: true }, 0), 0)
  t.equal(kept({ 'namespace.conf': 'bad' }, {}, 0), 0)
  t.end()
})

t.test('what cannot be kept is said, and is no fault of the configuration', (t) => {
  const { status, err } = run(
    t,
    { 'namespace.conf': GOOD },
    {},
    { euid: 0, lastGoodDirectory: '/dev/null/x' },
  )
  t.equal(status, 0)
  t.match(err, /cannot keep the last good configuration: E\w+/)
  t.end()
})
