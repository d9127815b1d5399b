import { chmodSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { configForSession, loadConfig, storeLastGood } from '../../../src/config/index.js'
import { ConfigError, UnsafePathError } from '../../../src/sys/errors.js'
import { names } from './fixtures/names.js'
import { me, tree, write } from './fixtures/tree.js'

const GOOD =
  '/tmp /i/ user:create=01777,root:keep=.X11-unix root,@staff,100:200\n/b x tmpfs:mntopts=size=1M ~alice\n'

function site(t: Test, text = GOOD) {
  const directory = tree(t, { 'conf/namespace.conf': text })
  const config = join(directory, 'conf/namespace.conf')
  const lastGoodDirectory = join(directory, 'run/last-good')
  const options = { names, owner: me, config, lastGoodDirectory }
  return {
    options,
    config,
    lastGoodDirectory,
    edit: (edited: string) => write(config, edited),
    validate: () => storeLastGood(loadConfig(options), lastGoodDirectory),
    session: (more: object = {}) => configForSession({ ...options, ...more }),
    kept: () => readdirSync(lastGoodDirectory).map((name) => join(lastGoodDirectory, name)),
  }
}

t.test('a good configuration is used as it is', (t) => {
  const { session } = site(t)
  t.match(session(), { usedLastGood: false, brokenBecause: [], config: { rules: [{ polydir: '/tmp' }, {}] } })
  t.end()
})

t.test('a broken one without a last good one refuses the session with its first error', (t) => {
  const { session, config } = site(t, '/tmp /i/ user\n/a /i/a/ foo\n/b /i/b/ bar\n')
  t.throws(() => session(), { name: 'ConfigError', file: config, line: 2, column: 10 })
  t.end()
})

t.test('a broken one is replaced by the rules that were good', (t) => {
  const { validate, edit, session, options } = site(t)
  const { rules } = loadConfig(options)
  validate()
  edit(`${GOOD}/c /i/c/ user:craete\n`)
  const used = session()
  t.equal(used.usedLastGood, true)
  t.strictSame(used.config.rules, rules)
  t.match(used.brokenBecause, [{ line: 3, code: 'unknown-flag', severity: 'error' }])
  t.strictSame(used.config.problems, [])
  t.end()
})

t.test('a file that is gone is replaced as well', (t) => {
  const { validate, config, session } = site(t)
  validate()
  rmSync(config)
  t.match(session(), { usedLastGood: true, brokenBecause: [{ code: 'unreadable-file' }] })
  t.end()
})

t.test('so is the last of the default files', (t) => {
  const directory = tree(t, { 'etc/namespace.conf': GOOD })
  const file = join(directory, 'etc/namespace.conf')
  const candidates = [
    { file: join(directory, 'first.conf'), mode: 'strict' as const },
    { file, mode: 'compat' as const },
  ]
  const lastGoodDirectory = join(directory, 'run')
  const options = { names, owner: me, candidates, lastGoodDirectory }
  storeLastGood(loadConfig(options), lastGoodDirectory)
  rmSync(file)
  t.match(configForSession(options), { usedLastGood: true, brokenBecause: [{ code: 'no-config' }] })
  t.end()
})

/** Two default files with drop-ins beside the first one; the second has nothing in it, as a distribution ships it. */
function defaults(t: Test) {
  const drop = 'etc/first/namespace.d/50-more.conf'
  const directory = tree(t, {
    'etc/first/namespace.conf': GOOD,
    [drop]: '/c /i/c/ user\n',
    'etc/second.conf': '\n',
  })
  const first = join(directory, 'etc/first/namespace.conf')
  const second = join(directory, 'etc/second.conf')
  const candidates = [
    { file: first, mode: 'strict' as const },
    { file: second, mode: 'compat' as const },
  ]
  const lastGoodDirectory = join(directory, 'run')
  const options = { names, owner: me, candidates, lastGoodDirectory }
  return {
    first,
    second,
    dropIn: join(directory, drop),
    check: () => storeLastGood(loadConfig(options), lastGoodDirectory),
    session: () => configForSession(options),
  }
}
const ALL = [{ polydir: '/tmp' }, { polydir: '/b' }, { polydir: '/c' }]

t.test('the first of the default files is gone, and the next one is not taken for what was meant', (t) => {
  const { first, check, session } = defaults(t)
  check()
  rmSync(first)
  const { config, usedLastGood, brokenBecause } = session()
  t.match([usedLastGood, config.rules], [true, ALL])
  t.match(brokenBecause, [
    { file: first, line: 0, severity: 'error', message: /not there any more.*polyns check/ },
  ])
  t.end()
})

t.test('so is a drop-in that is gone, or the directory of all', (t) => {
  for (const gone of ['file', 'directory']) {
    const { dropIn, check, session } = defaults(t)
    check()
    rmSync(gone === 'file' ? dropIn : join(dropIn, '..'), { recursive: true })
    const { config, usedLastGood, brokenBecause } = session()
    t.match([usedLastGood, config.rules], [true, ALL], gone)
    t.match(brokenBecause, [{ file: dropIn, message: /not there any more/ }], gone)
  }
  t.end()
})

t.test('what is checked without it is meant: then it is forgotten', (t) => {
  const { first, dropIn, second, check, session } = defaults(t)
  check()
  rmSync(dropIn)
  check()
  t.match(session(), { usedLastGood: false, config: { rules: ALL.slice(0, 2) } })
  rmSync(first)
  t.match(session(), { usedLastGood: true }, 'but not the other one with it')
  check()
  t.match(session(), { usedLastGood: false, config: { files: [second], rules: [] } })
  t.end()
})

t.test('one that comes back, or one more, is used', (t) => {
  const { first, dropIn, check, session } = defaults(t)
  check()
  rmSync(first)
  t.equal(session().usedLastGood, true)
  write(first, '/d /i/d/ user\n')
  write(join(dropIn, '../60-last.conf'), '/e /i/e/ user\n')
  t.match(session(), {
    usedLastGood: false,
    config: { rules: ['/d', '/c', '/e'].map((polydir) => ({ polydir })) },
  })
  t.end()
})

t.test('with nothing kept, a next default file is the configuration', (t) => {
  const { first, second, session } = defaults(t)
  rmSync(first)
  t.match(session(), { usedLastGood: false, config: { files: [second] } })
  t.end()
})

t.test('a file that others can write is not used, and what was good is', (t) => {
  const { validate, config, session } = site(t)
  chmodSync(config, 0o666)
  t.throws(() => session(), UnsafePathError)
  chmodSync(config, 0o644)
  validate()
  chmodSync(config, 0o666)
  t.match(session(), { usedLastGood: true, brokenBecause: [{ code: 'unsafe-file' }] })
  t.end()
})

t.test('names stay resolved when the name service is down', (t) => {
  const { validate, session } = site(t)
  validate()
  const nobody = { userByName: () => null, groupByName: () => null }
  const used = session({ names: nobody })
  t.equal(used.usedLastGood, true)
  t.match(used.config.rules, [{ users: { uids: [0], groups: [{ gid: 50 }] } }, { users: { uids: [1000] } }])
  t.end()
})

t.test('a broken configuration is never kept', (t) => {
  const { validate, lastGoodDirectory } = site(t, 'bad')
  t.throws(validate, ConfigError)
  t.throws(() => readdirSync(lastGoodDirectory), { code: 'ENOENT' })
  t.end()
})

t.test('only root can read what is kept, and nothing else is left behind', (t) => {
  const { validate, lastGoodDirectory, kept } = site(t)
  const before = process.umask(0)
  t.teardown(() => process.umask(before))
  validate()
  validate()
  t.equal(statSync(lastGoodDirectory).mode & 0o777, 0o700)
  const [file, ...others] = kept()
  t.equal(statSync(file ?? '').mode & 0o777, 0o600)
  t.strictSame(others, [])
  t.end()
})

t.test('another file or another mode does not get these rules', (t) => {
  const { validate, edit, session, config } = site(t)
  validate()
  edit('bad')
  t.throws(() => session({ mode: 'compat' }), ConfigError)
  t.throws(() => session({ config: `${config}.other` }), ConfigError)
  t.end()
})

t.test('a name that was cut is not taken for another', (t) => {
  const { validate, edit, session, kept, options } = site(t)
  validate()
  edit('bad')
  const [file = ''] = kept()
  writeFileSync(file, readFileSync(file, 'utf8').replaceAll(options.config, '/elsewhere'))
  t.throws(() => session(), ConfigError)
  t.end()
})

const UNTRUSTED: readonly [sentence: string, spoil: (file: string) => void][] = [
  ['others can read or write it', (file) => chmodSync(file, 0o620)],
  ['it is cut short', (file) => writeFileSync(file, readFileSync(file).subarray(0, -9))],
  ['it is empty', (file) => writeFileSync(file, '')],
  ['it is of another format', (file) => replace(file, '"format":1', '"format":2')],
  ['a field is missing', (file) => replace(file, '"method":"user",', '')],
  ['a field is of another type', (file) => replace(file, '"uids":[0]', '"uids":["0"]')],
  ['a method does not exist', (file) => replace(file, '"method":"user"', '"method":"root"')],
  ['it is a list', (file) => writeFileSync(file, '[]')],
  ['it is a link', (file) => link(file)],
]

function replace(file: string, from: string, to: string) {
  const text = readFileSync(file, 'utf8')
  if (!text.includes(from)) throw new Error(`${from} is not in ${text}`)
  writeFileSync(file, text.replace(from, to))
}

function link(file: string) {
  writeFileSync(`${file}.real`, readFileSync(file), { mode: 0o600 })
  rmSync(file)
  symlinkSync(`${file}.real`, file)
}

for (const [sentence, spoil] of UNTRUSTED) {
  t.test(`what was kept is not used when ${sentence}`, (t) => {
    const { validate, edit, session, kept } = site(t)
    validate()
    edit('bad')
    t.equal(session().usedLastGood, true)
    spoil(kept()[0] ?? '')
    t.throws(() => session(), ConfigError)
    t.end()
  })
}
