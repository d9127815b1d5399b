/* docs/threat-model.md as a whole: every test that it names is there, every id that it refers to, and none twice. Needs no root. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { DOCUMENT } from '../support/attacks.js'

const tests = fileURLToPath(new URL('..', import.meta.url))
const files = readdirSync(tests, { recursive: true, encoding: 'utf8' }).filter((name) =>
  name.endsWith('.test.ts'),
)
/** What files of that name say; there can be one in `unit` and one in `root`. */
const textOf = (name: string) =>
  files
    .filter((file) => basename(file) === name)
    .map((file) => readFileSync(`${tests}/${file}`, 'utf8'))
    .join('')

const lines = readFileSync(DOCUMENT, 'utf8').split('\n')
const ATTACK = /^\| ([A-Z]\d+) \|/
const ids = lines.flatMap((line) => ATTACK.exec(line)?.[1] ?? [])

t.test('each attack has its id, and the test that tries it', async (t) => {
  t.ok(ids.length > 90)
  t.same([...new Set(ids)], ids, 'no id twice')
  for (const line of lines.filter((line) => ATTACK.test(line))) t.match(line, /`[\w-]+\.test\.ts`/)
})

t.test('every test named is there', async (t) => {
  for (const line of lines) {
    for (const [, file = '', name] of line.matchAll(/`([\w-]+\.test\.ts)`(?:: ([^|;]+?) ?(?=[|;]))?/g)) {
      const text = textOf(file)
      t.not(text, '', file)
      if (name !== undefined) t.ok(text.includes(name), `${file}: ${name}`)
    }
  }
})

t.test('every id referred to is there', async (t) => {
  const referred = lines
    .filter((line) => !ATTACK.test(line))
    .flatMap((line) => line.match(/\b[CEFMNOPR]\d+\b/g) ?? [])
  t.ok(referred.length > 30)
  t.same(
    referred.filter((id) => !ids.includes(id)),
    [],
  )
})

t.test('every file of the source that the review names is there', async (t) => {
  const rooms = 'bin|cleanup|config|doctor|mountinfo|ns|session|slurm|sys'
  const named = lines.flatMap((line) => [...line.matchAll(new RegExp(`\`((?:${rooms})/[\\w./-]+)\``, 'g'))])
  t.ok(named.length > 20)
  for (const [, path = ''] of named)
    t.ok(existsSync(`${tests}/../${path.startsWith('bin/') ? path : `src/${path}`}`), path)
})
