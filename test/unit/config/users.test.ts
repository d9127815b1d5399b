import t from 'tap'
import { appliesTo } from '../../../src/config/index.js'
import { parseConfig } from '../../../src/config/parse.js'
import type { Names } from '../../../src/config/types.js'
import { canShareUser } from '../../../src/config/users.js'
import { names } from './fixtures/names.js'
import { read } from './fixtures/read.js'

function listed(list: string) {
  const [rule] = read(`/tmp /i/ user ${list}`, 'compat').rules
  if (rule === undefined) throw new Error(`no rule for ${list}`)
  return rule
}

const APPLIES: readonly [sentence: string, list: string, uid: number, gids: number[], applies: boolean][] = [
  ['without a list it is for everybody', '', 0, [0], true],
  ['a listed user is exempt', 'root,adm', 0, [0], false],
  ['others are not', 'root,adm', 1000, [1000], true],
  ['with ~ it is for the listed ones', '~alice', 1000, [1000], true],
  ['and for nobody else', '~alice', 1001, [1001], false],
  ['not even for root', '~alice', 0, [0], false],
  ['~ alone is for nobody', '~', 1000, [1000], false],
  ['a name that does not exist leaves nobody', '~alicee', 1000, [1000], false],
  ['uids are compared, not names', 'root', 0, [5], false],
  ['a range exempts its first uid', '1000:1999', 1000, [1], false],
  ['a range exempts its last uid', '1000:1999', 1999, [1], false],
  ['a range ends there', '1000:1999', 2000, [1], true],
  ['an open range has no end', '1000:', 4000000000, [1], false],
  ['a uid alone is that uid', ':1000', 999, [1], true],
  ['a group counts when it is the primary one', '@staff', 1000, [50], false],
  ['a group counts when it is a supplementary one', '~@staff', 1000, [1000, 50], true],
  ['other groups do not', '~@staff', 1000, [1000, 51], false],
  ['one match is enough', '~alice,@students,0:10', 7, [7], true],
]

for (const [sentence, list, uid, gids, applies] of APPLIES) {
  t.test(sentence, (t) => {
    t.equal(appliesTo(listed(list), { uid, gids }), applies)
    t.end()
  })
}

const SHARED: readonly [a: string, b: string, canShare: boolean][] = [
  ['', '', true],
  ['root', 'alice', true],
  ['~alice', '~bob', false],
  ['~alice', '~bob,alice', true],
  ['~alice', 'root', true],
  ['~alice', 'alice,root', false],
  ['~alice,bob', 'alice', true],
  ['~1000:1999', '1000:2999', false],
  ['~1000:1999', '1500:2999', true],
  ['~:1000', 'alice', false],
  ['~1000:1999', '~alice', true],
  ['~1000:1999', '~1999:3000', true],
  ['~1000:1998', '~1999:3000', false],
  ['~@staff', '@staff', false],
  ['~@staff', 'alice', true],
  ['~@staff', '~@students', true],
  ['~', '', false],
]

for (const [a, b, canShare] of SHARED) {
  t.test(`"${a}" and "${b}" ${canShare ? 'can' : 'cannot'} isolate the same user`, (t) => {
    t.equal(canShareUser(listed(a).users, listed(b).users), canShare)
    t.equal(canShareUser(listed(b).users, listed(a).users), canShare)
    t.end()
  })
}

t.test('a name is asked for once, whether there is one or not', async (t) => {
  const asked: string[] = []
  const counting: Names = {
    userByName(name) {
      asked.push(name)
      return names.userByName(name)
    },
    groupByName(name) {
      asked.push(`group ${name}`)
      return names.groupByName(name)
    },
  }
  const line = (dir: string) => `${dir} /i/ user root,alice,nobody-there,@staff,@none\n`
  const sources = [
    { file: 'a', text: line('/tmp') + line('/var/tmp') },
    { file: 'b', text: line('/srv') },
  ]
  parseConfig(sources, { mode: 'strict', names: counting })
  t.same(asked.sort(), ['alice', 'group none', 'group staff', 'nobody-there', 'root'])
})
