/* What is written for people, held against the program. */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { CODES, errorsOf, parseConfig } from '../../../src/config/index.js'
import { names } from './fixtures/names.js'

const read = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8')

t.test('the table of problem codes is that of the program', (t) => {
  const rows = read('docs/configuration.md').matchAll(/^\| `([a-z-]+)` \| (\w+) \| (\w+) \| (.+) \|$/gm)
  const documented = [...rows].map(([, code, strict, compat, meaning]) => [code, { strict, compat, meaning }])
  t.strictSame(documented, Object.entries(CODES))
  t.end()
})

t.test('the example passes as it is shipped', (t) => {
  const text = read('config/namespace.conf.example')
  const { rules, problems } = parseConfig([{ file: 'example', text }], { mode: 'strict', names })
  t.strictSame(problems, [])
  t.strictSame(
    rules.map(({ polydir, prefix, method, users }) => [polydir, prefix, method, users.uids]),
    [
      ['/tmp', '/tmp/polyns-inst/', 'user', [0]],
      ['/dev/shm', '/dev/shm/polyns-inst/', 'user', [0]],
    ],
  )
  t.end()
})

t.test('each further example in it passes when it is used', (t) => {
  const lines = read('config/namespace.conf.example').match(/^#[/$].*$/gm) ?? []
  t.ok(lines.length > 3)
  const table = { userByName: names.userByName, groupByName: () => ({ gid: 77 }) }
  for (const line of lines) {
    const text = line.slice(1).replace('~guest', '~alice')
    t.strictSame(
      parseConfig([{ file: 'example', text }], { mode: 'strict', names: table }).problems,
      [],
      line,
    )
  }
  t.end()
})

t.test('the example of a mistake is shown as the program shows it', (t) => {
  const text = '\n\n/tmp /tmp/inst/ user:craete root'
  const { problems, rules } = parseConfig([{ file: 'f', text }], { mode: 'strict', names })
  t.match(errorsOf({ files: ['f'], mode: 'strict', rules, problems }), [
    { line: 3, column: 22, code: 'unknown-flag' },
  ])
  t.match(read('docs/configuration.md'), `:3:22: error: ${problems[0]?.message} [unknown-flag]`)
  t.end()
})
