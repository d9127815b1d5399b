import t from 'tap'
import { formatProblem, show } from '../../../src/config/index.js'
import { read } from './fixtures/read.js'

function block(line: string): string {
  return read(line)
    .problems.map((problem) => formatProblem(problem))
    .join('')
}

t.test('a problem is a block with place, line, caret and what is allowed', (t) => {
  t.match(block('/tmp /tmp/inst/ user:craete root').split('\n'), [
    'f:1:22: error: unknown flag "craete" [unknown-flag]',
    '    /tmp /tmp/inst/ user:craete root',
    '                         ^',
    /^ {2}allowed: create\[=mode\[,owner\[,group\]\]\], /,
    '',
  ])
  t.end()
})

t.test('the caret is below its character, tabs and wide letters or not', (t) => {
  const [, line = '', caret = ''] = block('/tmp\t/é😀/\tfoo').split('\n')
  t.equal(caret, '    ' + '    \t    \t^')
  t.equal(Array.from(line)[Array.from(caret).indexOf('^')], 'f')
  t.end()
})

t.test('a problem of the whole file has neither line nor caret', (t) => {
  const problem = {
    file: 'f',
    line: 0,
    column: 0,
    severity: 'error',
    code: 'c',
    message: 'm',
    text: null,
    allowed: null,
  } as const
  t.equal(formatProblem(problem), 'f: error: m [c]\n')
  t.equal(
    formatProblem(problem, (text) => `<${text}>`),
    'f: <error>: m [c]\n',
  )
  t.end()
})

t.test('nothing from the file steers the terminal or forges a line', (t) => {
  const shown = block('/tmp\x1b[31m /i/ user:\x1b[0mx "a\u202eb"\x07')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not come through
  t.notMatch(shown, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/)
  t.match(shown, /unknown flag "\\u\{1b\}\[0mx"/)
  t.end()
})

t.test('long text is cut', (t) => {
  t.equal(show('x'.repeat(5000)).length, 125)
  t.end()
})
