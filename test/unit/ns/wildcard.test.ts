import t from 'tap'
import { hasWildcard, matches } from '../../../src/ns/wildcard.js'

t.test('a pattern matches', (t) => {
  for (const [pattern, name, is] of [
    ['krb5cc_*', 'krb5cc_5001', true],
    ['krb5cc_*', 'krb5cc_', true],
    ['krb5cc_*', 'xkrb5cc_5001', false],
    ['krb5cc_5001', 'krb5cc_5001', true],
    ['krb5cc_5001', 'krb5cc_50011', false],
    ['krb5cc_50?1', 'krb5cc_5001', true],
    ['?', '', false],
    ['?', 'ü', true],
    ['?', '\u{1f600}', true],
    ['*', '', true],
    ['*', 'x', true],
    ['*', '.hidden', false],
    ['?hidden', '.hidden', false],
    ['.*', '.hidden', true],
    ['a*b*c', 'aXbYbZc', true],
    ['a*b*c', 'aXbYbZ', false],
    ['*.key', 'a.key.key', true],
    ['a.c', 'abc', false],
    ['[ab]', 'a', false],
    ['[ab]', '[ab]', true],
    ['', '', true],
    ['', 'x', false],
  ] as const) {
    t.equal(matches(name, pattern), is, `'${pattern}' ${is ? 'matches' : 'does not match'} '${name}'`)
  }
  t.end()
})

t.test('a hostile name takes no time', (t) => {
  const pattern = `${'*a'.repeat(20)}b`
  const before = process.hrtime.bigint()
  t.equal(matches('a'.repeat(255), pattern), false)
  t.ok(process.hrtime.bigint() - before < 100_000_000n)
  t.end()
})

t.test('what has no wildcard is one name', (t) => {
  t.equal(hasWildcard('krb5cc_5001'), false)
  t.equal(hasWildcard('krb5cc_*'), true)
  t.equal(hasWildcard('krb5cc_?'), true)
  t.end()
})
