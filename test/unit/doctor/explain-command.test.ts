/* The command over a table of users and a machine on which nothing is there. */
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type ExplainIo, type ExplainOptions, explain } from '../../../src/cli/explain.js'
import type { Fact } from '../../../src/doctor/look.js'
import { ConfigError, UnsafePathError, UsageError } from '../../../src/sys/errors.js'
import { names } from '../config/fixtures/names.js'
import { me, tree } from '../config/fixtures/tree.js'

const PAM = 'session required pam_exec.so quiet seteuid /usr/sbin/polyns pam'
const MISSING: Fact = { state: 'missing' }
const TMP: Fact = { state: 'there', mode: 0o1777, uid: 0, gid: 0, dev: '0:1', ino: '2' }

function run(t: Test, text: string, options: Partial<ExplainOptions> = {}, io: Partial<ExplainIo> = {}) {
  const conf = tree(t, { 'namespace.conf': text })
  let out = ''
  const status = explain(
    { user: 'alice', json: false, ...options },
    {
      names,
      gidsOf: ({ gid }) => [gid],
      out: (text) => {
        out += text
      },
      color: false,
      readFile: () => null,
      lookAround: ({ steps }) =>
        steps.map((step) => ({
          polydir: TMP,
          parent: step.kind === 'bind' ? MISSING : null,
          instance: step.kind === 'bind' ? MISSING : null,
          script: null,
          kept: [],
        })),
      sessionToJoin: () => null,
      owner: me,
      candidates: [{ file: join(conf, 'namespace.conf'), mode: 'strict' }],
      lastGoodDirectory: join(conf, 'last-good'),
      ...io,
    },
  )
  return { status, out: out.replaceAll(`${conf}/`, '') }
}

t.test('the JSON has its keys in their order', (t) => {
  const { status, out } = run(t, '/tmp /tmp/inst/ user:noinit root\n/a /i/ user ~bob', {
    json: true,
    job: '7',
  })
  t.equal(status, 0)
  t.equal(
    out,
    `${JSON.stringify({
      user: 'alice',
      uid: 1000,
      ruser: null,
      service: null,
      job: '7',
      config: { files: ['namespace.conf'], mode: 'strict', lastGood: false },
      pam: null,
      base: 'host',
      outcome: 'build',
      why: 'no live session has the same plan',
      exitStatus: 0,
      lines: [
        {
          file: 'namespace.conf',
          line: 1,
          polydir: '/tmp',
          method: 'user',
          scope: 'user',
          applies: true,
          why: 'for everybody but root',
        },
        {
          file: 'namespace.conf',
          line: 2,
          polydir: '/a',
          method: 'user',
          scope: 'user',
          applies: false,
          why: 'for only bob',
        },
      ],
      join: null,
      steps: [
        { command: 'unshare --mount', note: null },
        {
          command: 'mount --make-rslave /',
          note: "the host's later mounts arrive, and none of these leaks out",
        },
        { command: 'mkdir -m 000 /tmp/inst', note: 'where the instances are kept; it is not there yet' },
        { command: 'mkdir -m 1777 /tmp/inst/alice', note: null },
        { command: 'mount --bind --make-private /tmp/inst/alice /tmp', note: null },
        {
          command:
            'mount -t tmpfs -o ro,nosuid,nodev,noexec,size=4k,nr_inodes=1,mode=555 polyns:1000 /run/polyns/ns',
          note: 'marks it as a namespace of polyns',
        },
        { command: 'mount --make-rshared /', note: 'for rootless containers' },
      ],
      things: [
        { path: '/tmp', role: 'directory', state: 'there', why: null },
        { path: '/tmp/inst', role: 'instance parent', state: 'missing', why: null },
        { path: '/tmp/inst/alice', role: 'instance', state: 'missing', why: null },
      ],
      notes: [],
      unseen: [],
    })}\n`,
  )
  t.end()
})

t.test('the text fits 80 columns, but for shell lines', (t) => {
  const { out } = run(
    t,
    '/tmp /tmp/inst/ user:noinit root,@staff,@students,2000:3000,bob,daemon,adm,apache,bin',
  )
  t.match(
    out,
    /^alice \(uid 1000\)\n {2}configuration\s+namespace\.conf\n\nLines, and whether they apply\n {2}1 {2}\/tmp {2}yes, for/,
  )
  t.match(out, /\n {2}mkdir -m 000 \/tmp\/inst\n/)
  const long = out.split('\n').filter((line) => line.length > 80)
  t.same(
    long.filter((line) => !line.startsWith('  mount ')),
    [],
  )
  t.end()
})

t.test('a hostile path does not reach the terminal as it is', (t) => {
  const conf = tree(t, { 'namespace.conf': '/tmp/\u001b[31m /tmp/inst/ user:noinit' })
  const { out } = run(t, '', {}, { candidates: [{ file: join(conf, 'namespace.conf'), mode: 'compat' }] })
  t.match(out, '/tmp/\\u{1b}[31m')
  t.notMatch(out, '\u001b')
  t.end()
})

t.test('what becomes of the session', (t) => {
  const said = (
    text: string,
    options: Partial<ExplainOptions>,
    pam?: string,
    io: Partial<ExplainIo> = {},
  ) => {
    const readFile = (path: string) => (path === '/etc/pam.d/app' ? (pam ?? null) : null)
    const { status, out } = run(t, text, { ...options, json: true }, { readFile, ...io })
    const { outcome, why } = JSON.parse(out) as { outcome: string; why: string }
    return `${status} ${outcome}: ${why}`
  }
  const line = '/tmp /tmp/inst/ user:noinit root'
  const app = { service: 'app' }
  const refused: Partial<ExplainIo> = {
    lookAround: () => [
      {
        polydir: TMP,
        parent: { state: 'refused', why: 'mode is 0755, not 0000' },
        instance: MISSING,
        script: null,
        kept: [],
      },
    ],
  }
  const cases: [string, string, RegExp][] = [
    ['a line applies', said(line, app, PAM), /^0 build/],
    [
      'none does',
      said(line, { user: 'root' }),
      /^0 nothing: no line applies to root, who sees what the service/,
    ],
    ['none does, in su', said(line, { user: 'root', ruser: 'bob' }), /stays in the view of bob$/],
    [
      'none does, in su with --unmnt-remnt',
      said(line, { user: 'root', ...app }, `${PAM} --unmnt-remnt`),
      /^0 host/,
    ],
    ['--global', said(line, app, `${PAM} --global`), /^0 host: the PAM line says --global/],
    ['--skip', said(line, app, `${PAM} --skip app`), /^0 nothing: the PAM line says --skip/],
    [
      'polyns is not in the stack',
      said(line, app, 'session required pam_unix.so'),
      /^0 nothing: \/etc\/pam\.d\/app does not/,
    ],
    ['there is no stack', said(line, { service: 'nope' }), /^0 nothing: PAM has no stack for nope/],
    [
      'the parent is not as it must be',
      said(line, {}, '', refused),
      /^5 refused: \/tmp\/inst: mode is 0755, not 0000/,
    ],
    [
      'the same, with --fail-open',
      said(line, app, `${PAM} --fail-open`, refused),
      /^0 host: .*says --fail-open/,
    ],
    [
      'a shared level where SELinux is off',
      said('/tmp /tmp/inst/ level:shared', {}),
      /^4 refused: \/tmp, .*SELinux/,
    ],
    [
      'a path that this user’s home makes wrong',
      said('/tmp $HOME/i/ user', { user: 'relative' }),
      /^3 refused: .*does not start with a slash/,
    ],
  ]
  for (const [name, actual, expected] of cases) t.match(actual, expected, name)
  t.end()
})

t.test('what cannot be explained', (t) => {
  const line = '/tmp /tmp/inst/ user'
  t.throws(() => run(t, line, { user: 'nobody-here' }), {
    constructor: UnsafePathError,
    message: /^user 'nobody-here': is not known/,
  })
  t.throws(() => run(t, line, { ruser: 'nobody-here' }), UnsafePathError)
  t.throws(() => run(t, line, { job: '../x' }), UsageError)
  t.throws(() => run(t, '/tmp /tmp/inst/ usr'), ConfigError)
  t.throws(
    () => run(t, line, { service: 'app' }, { readFile: () => `${PAM} --nonsense` }),
    { constructor: UsageError, message: /--nonsense/ },
    'an option of the PAM line that does not exist: the login fails by it, too',
  )
  t.end()
})
