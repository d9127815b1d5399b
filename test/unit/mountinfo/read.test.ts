import { openSync } from 'node:fs'
import t from 'tap'
import { mountIdOf, readMounts } from '../../../src/mountinfo/read.js'
import { Fd } from '../../../src/sys/fd.js'

t.test('the table of this process', (t) => {
  using file = new Fd(openSync('/proc/self/status', 'r'), 'status')
  const table = readMounts()
  t.equal(table.byId(mountIdOf(file))?.fstype, 'proc')
  t.equal(table.holding('/proc/self/status')?.id, mountIdOf(file), 'the walk ends where the kernel did')
  t.same(readMounts(process.pid).mounts, table.mounts)
  t.end()
})

t.test('a process that is not there', (t) => {
  t.throws(() => readMounts(2 ** 22 + 1), { code: 'ENOENT', message: /^read the mount table: openat2\(/ })
  t.end()
})
