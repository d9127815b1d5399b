import t from 'tap'
import { expandRequesterPolydir, expandRule, type Rule } from '../../../src/config/index.js'
import { ConfigError } from '../../../src/sys/errors.js'
import { alice } from './fixtures/names.js'
import { read } from './fixtures/read.js'

function rule(line: string): Rule {
  const [found] = read(line, 'compat').rules
  if (found === undefined) throw new Error(`no rule in ${line}`)
  return found
}

const EXPANDED: readonly [sentence: string, line: string, polydir: string, prefix: string][] = [
  [
    'both variables are replaced in both fields',
    '$HOME/$USER /i/$USER/$HOME/ user',
    '/home/alice/alice',
    '/i/alice//home/alice/',
  ],
  ['a variable ends with its own letters', '$HOMEX /i/$USERNAME/ user', '/home/aliceX', '/i/aliceNAME/'],
  ['a dollar sign before a variable stays', '/tmp/$$USER /i/ user', '/tmp/$alice', '/i/'],
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the mistake that the case is about
  ['an unknown variable stays', '/tmp/$user /i/${HOME} user', '/tmp/$user', '/i/${HOME}'],
  ['slashes that a value brings go as well', '$HOME/ /i/ user', '/home/alice', '/i/'],
]

for (const [sentence, line, polydir, prefix] of EXPANDED) {
  t.test(sentence, (t) => {
    t.strictSame(expandRule(rule(line), alice), { polydir, prefix })
    t.end()
  })
}

t.test('what a value brings in is not replaced again', (t) => {
  const who = { user: '$HOME', home: '/h' }
  t.equal(expandRule(rule('/tmp/$USER /i/ user'), who).polydir, '/tmp/$HOME')
  t.equal(expandRule(rule('/tmp/$USER /i/ user'), { user: '$&$1', home: '/h' }).polydir, '/tmp/$&$1')
  t.end()
})

const REFUSED: readonly [sentence: string, line: string, who: { user: string; home: string }, why: RegExp][] =
  [
    ['the home is relative', '$HOME /i/ user', { user: 'x', home: 'home/x' }, /does not start with a slash/],
    ['the home is empty', '$HOME /i/ user', { user: 'x', home: '' }, /is empty/],
    ['the home climbs', '$HOME/t /i/ user', { user: 'x', home: '/home/../x' }, /contains "\.\."/],
    ['the name climbs', '/tmp /i/$USER/ user', { user: '..', home: '/' }, /contains "\.\."/],
    ['a dot before the name makes two', '/tmp/.$USER /i/ user', { user: '.x', home: '/' }, /contains "\.\."/],
    ['the name is too long', '/tmp/$USER /i/ user', { user: 'x'.repeat(4096), home: '/' }, /longer than/],
    [
      'the prefix becomes relative',
      '/tmp $HOME/ user',
      { user: 'x', home: 'h' },
      /does not start with a slash/,
    ],
  ]

for (const [sentence, line, who, why] of REFUSED) {
  t.test(`the session is refused when ${sentence}`, (t) => {
    t.throws(() => expandRule(rule(line), who), why)
    t.throws(() => expandRule(rule(line), who), { name: 'ConfigError', file: 'f', line: 1 })
    t.end()
  })
}

t.test('a hostile name cannot forge a line in the log', (t) => {
  const who = { user: '..\nroot logged in\x1b[31m', home: '/' }
  t.throws(() => expandRule(rule('/tmp/$USER /i/ user'), who), /\\u\{a\}root logged in\\u\{1b\}/)
  t.end()
})

t.test('the directory of the requester need not be absolute, but it must be something', (t) => {
  const found = rule('$HOME /i/ user')
  t.equal(expandRequesterPolydir(found, { user: 'x', home: 'rel/' }), 'rel')
  t.throws(() => expandRequesterPolydir(found, { user: 'x', home: '' }), ConfigError)
  t.throws(() => expandRequesterPolydir(found, { user: 'x', home: `/${'h'.repeat(4096)}` }), ConfigError)
  t.end()
})
