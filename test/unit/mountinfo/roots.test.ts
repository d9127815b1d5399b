/* The quick reading of a mount table sees what the whole one sees. */
import t from 'tap'
import { parseMountinfo, parseRoots } from '../../../src/mountinfo/parse.js'
import * as tables from './fixtures/tables.js'

t.test('of each table', async (t) => {
  for (const text of Object.values(tables)) {
    const whole = parseMountinfo(text).map(({ dev, root }) => ({ dev, root }))
    t.same(parseRoots(text), whole)
  }
})

t.test('a line that is no mount is no answer', async (t) => {
  t.throws(() => parseRoots('36 35 98:0\n'), /is no mount/)
  t.same(parseRoots('36 35 98:0 /a\\040b /mnt rw - ext4 /dev/sda rw\n'), [{ dev: '98:0', root: '/a b' }])
})
