import t from 'tap'
import { CODES, type ProblemCode, parseConfig } from '../../../src/config/index.js'
import { names } from './fixtures/names.js'
import { read } from './fixtures/read.js'

/** What the lines are about, the lines, and what is found: `code@line:column`. */
const TOGETHER: readonly [sentence: string, lines: string[], found: string[]][] = [
  ['two lines are for one directory', ['/tmp /i/a/ user', '/tmp /i/b/ user root'], ['duplicate-polydir@2:1']],
  [
    'the directory is written in another way',
    ['/tmp /i/a/ user', '//tmp/. /i/b/ user'],
    ['duplicate-polydir@2:1'],
  ],
  ['slashes are doubled', ['/tmp/x /i/a/ user', '//tmp/./x /i/b/ user'], ['duplicate-polydir@2:1']],
  ['the lists share no user', ['/tmp /i/a/ user ~alice', '/tmp /i/b/ user alice'], []],
  ['two directories share an instance', ['/tmp /i/ user', '/var/tmp /i/ user'], ['same-instance@2:10']],
  [
    'a job is a user outside of jobs',
    ['/tmp /i/ user:scope=job', '/var/tmp /i/ user'],
    ['same-instance@2:10'],
  ],
  ['the scopes never meet', ['/tmp /i/ user:scope=session', '/var/tmp /i/ user'], []],
  ['random names do not meet', ['/tmp /i/ tmpdir', '/var/tmp /i/ tmpdir'], []],
  ['a tmpfs has no instance directory', ['/tmp tmpfs tmpfs', '/dev/shm tmpfs tmpfs'], []],
  ['the outer directory comes last', ['/tmp/x /i/x/ user', '/tmp /i/t/ user'], ['hidden-polydir@2:1']],
  ['the inner directory is not made', ['/tmp /i/t/ user', '/tmp/x /i/x/ user'], ['nested-polydir@2:1']],
  ['the inner directory is made', ['/tmp /i/t/ user', '/tmp/x /i/x/ user:create=0700'], []],
  ['a name only starts like another', ['/tmp /i/t/ user', '/tmpx /i/x/ user'], []],
  ['variables are compared as they are written', ['$HOME /i/h/ user', '$HOME/t /i/t/ user:create'], []],
  [
    'instances lie where nobody sees them',
    ['/tmp /i/ user', '/var/tmp /tmp/v/ user'],
    ['prefix-under-polydir@2:10'],
  ],
  ['the order saves them', ['/var/tmp /tmp/v/ user', '/tmp /i/ user'], []],
  ['instances lie in their own directory', ['/tmp /tmp/inst/ user'], []],
  ['the slash behind the parent is forgotten', ['/tmp /tmp/inst user'], ['parent-not-private@1:6']],
  ['instances lie in the root directory', ['/tmp /inst- user'], ['parent-not-private@1:6']],
  [
    'instances lie in the directory of another line',
    ['/tmp /i/ user', '/a /tmp/a- user'],
    ['parent-not-private@2:4', 'prefix-under-polydir@2:4'],
  ],
]

for (const [sentence, lines, found] of TOGETHER) {
  for (const mode of ['strict', 'compat'] as const) {
    t.test(`${sentence} (${mode})`, (t) => {
      const { rules, problems } = read(lines.join('\n'), mode)
      const own = problems.filter(({ code }) => code !== 'extension')
      const expected = found.filter((one) => CODES[one.split('@')[0] as ProblemCode][mode] !== 'never')
      t.strictSame(own.map(({ code, line, column }) => `${code}@${line}:${column}`).sort(), expected)
      for (const { code, severity } of own) t.equal(severity, CODES[code as ProblemCode][mode])
      const isBad = own.some(({ severity }) => severity === 'error')
      t.equal(rules.length, lines.length - (isBad ? 1 : 0), 'a line in error yields no rule')
      t.end()
    })
  }
}

t.test('a line of another file is named with it', (t) => {
  const sources = [
    { file: '/etc/a', text: '/tmp /i/a/ user' },
    { file: '/etc/b', text: '\n/tmp /i/b/ user' },
  ]
  const { problems } = parseConfig(sources, { mode: 'strict', names })
  t.match(problems, [{ file: '/etc/b', line: 2, code: 'duplicate-polydir', message: /\/etc\/a, line 1/ }])
  t.end()
})
