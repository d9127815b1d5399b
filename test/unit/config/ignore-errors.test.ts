import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { configWithoutBadLines } from '../../../src/config/ignore-errors.js'
import { loadConfig, storeLastGood } from '../../../src/config/index.js'
import { ConfigError, UnsafePathError } from '../../../src/sys/errors.js'
import { names } from './fixtures/names.js'
import { me, tree, write } from './fixtures/tree.js'

const GOOD = '/tmp /tmp/inst/ user root\n'

function load(t: Test, text: string) {
  const conf = tree(t, { 'namespace.conf': text })
  const file = join(conf, 'namespace.conf')
  const candidates = [{ file, mode: 'strict' }] as const
  return { file, options: { names, owner: me, candidates, lastGoodDirectory: join(conf, 'last-good') } }
}

t.test('lines in error are left out, and named', (t) => {
  const { options } = load(t, `${GOOD}/a /b foo\n/dev/shm tmpfs tmpfs nobody-here\n/var/tmp tmpfs tmpfs`)
  const { config, usedLastGood, brokenBecause } = configWithoutBadLines(options)
  t.same(
    config.rules.map(({ polydir }) => polydir),
    ['/tmp', '/var/tmp'],
  )
  t.equal(usedLastGood, false)
  t.same(
    brokenBecause.map(({ line, code }) => [line, code]),
    [
      [2, 'unknown-method'],
      [3, 'unknown-user'],
    ],
  )
  t.same(config.problems, [])
  t.end()
})

t.test('a line that has a rule and an error is left out too', (t) => {
  const { options } = load(t, `${GOOD}/tmp /tmp/other/ user root`)
  const { config, brokenBecause } = configWithoutBadLines(options)
  t.match(brokenBecause, [{ code: 'duplicate-polydir' }])
  const bad = brokenBecause.map(({ line }) => line)
  t.notOk(config.rules.some(({ line }) => bad.includes(line)))
  t.equal(config.rules.length, 1)
  t.end()
})

t.test('the last good configuration comes first', (t) => {
  const { file, options } = load(t, GOOD)
  storeLastGood(loadConfig(options), options.lastGoodDirectory)
  write(file, '/a /b foo\n')
  t.match(configWithoutBadLines(options), { usedLastGood: true, config: { rules: [{ polydir: '/tmp' }] } })
  t.end()
})

t.test('a good configuration is as it is', (t) => {
  const { options } = load(t, GOOD)
  t.match(configWithoutBadLines(options), {
    usedLastGood: false,
    brokenBecause: [],
    config: { rules: [{ line: 1 }] },
  })
  t.end()
})

t.test('what is wrong with a whole file is not passed over', (t) => {
  const { options } = load(t, GOOD)
  t.throws(
    () => configWithoutBadLines({ ...options, candidates: [{ file: '/nowhere/x', mode: 'strict' }] }),
    ConfigError,
  )
  const open = load(t, GOOD)
  chmodSync(open.file, 0o666)
  t.throws(() => configWithoutBadLines(open.options), UnsafePathError)
  t.end()
})
