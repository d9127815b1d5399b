import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { DEFAULT_FILES, errorsOf, loadConfig, loadNamed, requireUsable } from '../../../src/config/index.js'
import { ConfigError, UnsafePathError } from '../../../src/sys/errors.js'
import { names } from './fixtures/names.js'
import { me, tree, write } from './fixtures/tree.js'

const LINE = '/tmp /i/ user root\n'

/** The default files, as if they lay below a directory of the test. */
function machine(t: Test, files: Record<string, string>) {
  const directory = tree(t, files)
  const candidates = DEFAULT_FILES.map(({ file, mode }) => ({ file: join(directory, file), mode }))
  return { directory, load: () => loadConfig({ names, owner: me, candidates }) }
}

function codes(config: { problems: { code: string; severity: string }[] }) {
  return config.problems.map(({ code, severity }) => `${severity} ${code}`)
}

t.test('the file of polyns comes before that of pam_namespace, and is read strictly', (t) => {
  const { directory, load } = machine(t, {
    'etc/polyns/namespace.conf': '/tmp /i/ dir\n',
    'etc/security/namespace.conf': LINE,
  })
  t.match(load(), { mode: 'strict', problems: [], files: [join(directory, 'etc/polyns/namespace.conf')] })
  t.end()
})

t.test('the file of pam_namespace is read compatibly', (t) => {
  const { load } = machine(t, { 'etc/security/namespace.conf': '/tmp /i/ user:craete\n' })
  const config = load()
  t.equal(config.mode, 'compat')
  t.strictSame(codes(config), ['warning unknown-flag'])
  t.end()
})

t.test('without any file the error says where one was looked for', (t) => {
  const config = machine(t, {}).load()
  t.strictSame(codes(config), ['error no-config'])
  t.match(config.problems[0]?.message, /etc\/polyns\/namespace\.conf and .*etc\/security\/namespace\.conf/)
  t.strictSame([config.files, config.rules], [[], []])
  t.throws(() => requireUsable(config), ConfigError)
  t.end()
})

t.test('drop-ins follow in the order of their bytes', (t) => {
  const { directory, load } = machine(t, {
    'etc/polyns/namespace.conf': '/m /i/m/ user\n',
    'etc/polyns/namespace.d/9.conf': '/d9 /i/d9/ user\n',
    'etc/polyns/namespace.d/10.conf': '/d10 /i/d10/ user\n',
    'etc/polyns/namespace.d/b.conf': '/b /i/b/ user\n',
    'etc/polyns/namespace.d/B.conf': '/B /i/B/ user\n',
    'etc/polyns/namespace.d/\u{ff5e}.conf': '/wide /i/w/ user\n',
    'etc/polyns/namespace.d/\u{1f600}.conf': '/face /i/f/ user\n',
    'etc/polyns/namespace.d/.hidden.conf': 'bad',
    'etc/polyns/namespace.d/x.conf~': 'bad',
    'etc/polyns/namespace.d/script': 'bad',
  })
  const config = load()
  t.strictSame(codes(config), [])
  t.strictSame(
    config.rules.map(({ polydir }) => polydir),
    ['/m', '/d10', '/d9', '/B', '/b', '/wide', '/face'],
  )
  t.equal(config.files[1], join(directory, 'etc/polyns/namespace.d/10.conf'))
  t.end()
})

t.test('a named configuration is read strictly, with its own drop-ins', (t) => {
  const directory = tree(t, { 'a.conf': '/tmp /i/ dir\n', 'namespace.d/b.conf': '/b /i/b/ user:x\n' })
  const config = loadConfig({ names, owner: me, config: join(directory, 'a.conf') })
  t.equal(config.mode, 'strict')
  t.strictSame(codes(config), ['error unknown-flag'])
  t.end()
})

t.test('a missing file is named with its errno', (t) => {
  const config = loadConfig({ names, owner: me, config: '/nonexistent/namespace.conf' })
  t.strictSame(config.files, ['/nonexistent/namespace.conf'])
  t.throws(() => requireUsable(config), {
    name: 'ConfigError',
    file: '/nonexistent/namespace.conf',
    message: /cannot read \/nonexistent\/namespace\.conf: ENOENT/,
  })
  t.end()
})

t.test('a file that is there but cannot be read does not give way to the next', (t) => {
  const { directory, load } = machine(t, { 'etc/security/namespace.conf': LINE, 'etc/polyns/other': '' })
  symlinkSync('nowhere', join(directory, 'etc/polyns/namespace.conf'))
  const config = load()
  t.equal(config.mode, 'strict')
  t.strictSame(codes(config), ['error unreadable-file'])
  t.end()
})

t.test('a FIFO, a device or a directory is no configuration, and none holds up the login', (t) => {
  const directory = tree(t, {})
  execFileSync('mkfifo', [join(directory, 'fifo')])
  for (const file of [join(directory, 'fifo'), '/dev/zero', directory]) {
    const config = loadConfig({ names, owner: me, config: file })
    t.ok(codes(config).includes('error unreadable-file'), file)
    t.strictSame(config.rules, [])
  }
  t.end()
})

t.test('a dangling link among the drop-ins is an error in both modes', (t) => {
  for (const place of ['polyns', 'security']) {
    const { directory, load } = machine(t, {
      [`etc/${place}/namespace.conf`]: LINE,
      [`etc/${place}/namespace.d/a`]: '',
    })
    symlinkSync('nowhere', join(directory, `etc/${place}/namespace.d/x.conf`))
    t.strictSame(codes(load()), ['error unreadable-file'], place)
  }
  t.end()
})

t.test('a directory among the drop-ins is passed over by compat only', (t) => {
  for (const [place, code] of [
    ['polyns', 'error directory-ignored'],
    ['security', 'warning directory-ignored'],
  ] as const) {
    const { directory, load } = machine(t, { [`etc/${place}/namespace.conf`]: LINE })
    mkdirSync(join(directory, `etc/${place}/namespace.d/x.conf`), { recursive: true })
    chmodSync(join(directory, `etc/${place}/namespace.d`), 0o755)
    t.strictSame(codes(load()), [code])
  }
  t.end()
})

t.test('bytes of another encoding do not matter in a comment', (t) => {
  const { directory, load } = machine(t, {})
  const file = join(directory, 'etc/security/namespace.conf')
  write(file, Buffer.from('# caf\xe9\n/tmp /i/ user\n', 'latin1'))
  t.strictSame(codes(load()), [])
  write(file, Buffer.from('/caf\xe9 /i/ user\n', 'latin1'))
  t.strictSame(codes(load()), ['error bad-encoding'])
  t.end()
})

const UNSAFE: readonly [sentence: string, path: string, mode: number][] = [
  ['the file can be written by its group', 'etc/polyns/namespace.conf', 0o664],
  ['the file can be written by everybody', 'etc/polyns/namespace.conf', 0o646],
  ['a drop-in can be written by others', 'etc/polyns/namespace.d/a.conf', 0o666],
  ['the directory can be written by its group', 'etc/polyns', 0o775],
  ['the directory is sticky and open', 'etc/polyns', 0o1777],
  ['the drop-in directory is open', 'etc/polyns/namespace.d', 0o777],
  ['a directory above it is open', 'etc', 0o777],
]

for (const [sentence, path, mode] of UNSAFE) {
  t.test(`a session refuses the configuration when ${sentence}`, (t) => {
    const { directory, load } = machine(t, {
      'etc/polyns/namespace.conf': LINE,
      'etc/polyns/namespace.d/a.conf': '# nothing\n',
    })
    chmodSync(join(directory, path), mode)
    const config = load()
    t.match(errorsOf(config), [{ code: 'unsafe-file', file: join(directory, path) }])
    t.throws(() => requireUsable(config), UnsafePathError)
    t.end()
  })
}

t.test('a sticky directory above it is safe', (t) => {
  const { directory, load } = machine(t, { 'etc/polyns/namespace.conf': LINE })
  chmodSync(join(directory, 'etc'), 0o1777)
  t.strictSame(codes(load()), [])
  t.end()
})

t.test('a link is judged by what it leads to', (t) => {
  const { directory, load } = machine(t, { 'open/real.conf': LINE, 'etc/polyns/other': '' })
  symlinkSync('../../open/real.conf', join(directory, 'etc/polyns/namespace.conf'))
  t.strictSame(codes(load()), [])
  chmodSync(join(directory, 'open'), 0o777)
  t.match(errorsOf(load()), [{ code: 'unsafe-file', file: join(directory, 'open') }])
  t.end()
})

t.test(
  'a file of somebody else is refused',
  { skip: me === 0 ? false : 'only root owns less than he could' },
  (t) => {
    const { directory } = machine(t, { 'etc/polyns/namespace.conf': LINE })
    const file = join(directory, 'etc/polyns/namespace.conf')
    execFileSync('chown', ['12345', file])
    t.match(errorsOf(loadConfig({ names, config: file })), [
      { code: 'unsafe-file', message: /belongs to uid 12345/ },
    ])
    t.end()
  },
)

t.test('the linter reads a named file alone and only warns about its owner', (t) => {
  const directory = tree(t, { 'a.conf': '/tmp /i/ dir\n', 'namespace.d/b.conf': 'bad' })
  const file = join(directory, 'a.conf')
  chmodSync(file, 0o666)
  const strict = loadNamed(file, { names, mode: 'strict', owner: me })
  t.strictSame([codes(strict), strict.rules.length, strict.files], [['warning unsafe-file'], 1, [file]])
  t.strictSame(codes(loadNamed(file, { names, mode: 'compat', owner: me })), [
    'warning unsafe-file',
    'error unknown-method',
  ])
  t.end()
})
