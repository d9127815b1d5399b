import t from 'tap'
import { getgrnam, getgrouplist, getpwnam, getpwuid } from '../../../src/sys/names.js'

t.test('users', (t) => {
  t.match(getpwnam('root'), { name: 'root', uid: 0, gid: 0, home: '/root', shell: String })
  t.strictSame(getpwuid(0), getpwnam('root'))
  t.equal(getpwnam('no-such-user'), null)
  t.equal(getpwuid(4294967294), null)
  t.equal(getpwnam(''), null)
  t.equal(getpwnam('root\0x'), null, 'not the user of the shorter name')
  t.end()
})

t.test('groups', (t) => {
  t.strictSame(getgrnam('root'), { gid: 0 })
  t.equal(getgrnam('no-such-group'), null)
  t.equal(getgrnam('root\0x'), null)
  t.ok(getgrouplist('root', 0).includes(0))
  t.strictSame(getgrouplist('no-such-user', 4711), [4711], 'the primary one is taken as given')
  t.end()
})
