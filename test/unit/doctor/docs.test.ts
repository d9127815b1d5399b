/* docs/doctor.md has a row for each check, in the order in which they are told, and for no other. */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { CHECKS } from '../../../src/doctor/checks/index.js'

const text = readFileSync(new URL('../../../docs/doctor.md', import.meta.url), 'utf8')
const rows = Array.from(text.matchAll(/^\| `([a-z-]+)` \| (.+) \| (.*) \|$/gm), ([, id = '']) => id).filter(
  (id) => !['error', 'warning', 'note', 'ok'].includes(id),
)
const ids = CHECKS.map(({ id }) => id)

t.strictSame(rows, ids)
t.equal(new Set(ids).size, ids.length, 'each id once')
for (const { id, title } of CHECKS) {
  t.match(id, /^[a-z]+(-[a-z]+)*$/)
  t.match(title, /^(?:polyns|[A-Z]).+[^.]$/, id)
}
