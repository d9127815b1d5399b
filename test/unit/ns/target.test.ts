/* ns/target.ts: whose session it is. Here the parent is this test; with the launcher between, test/root/launcher-close.test.ts. */
import t from 'tap'
import { isAlive, openTarget, startTimeOf } from '../../../src/ns/target.js'

t.test('our parent is the application', (t) => {
  for (const isClose of [false, true]) {
    using target = openTarget(undefined, { isClose })
    t.match(target, { pid: process.ppid, launcher: null, startTime: startTimeOf(process.ppid) })
    t.match(target.proc, `/proc/${process.ppid}/task/`)
    target.assertUnchanged()
  }
  t.end()
})

t.test('another that is named is it too, by its first thread', (t) => {
  using target = openTarget(process.pid, { isClose: true })
  t.match(target, { pid: process.pid, tid: process.pid, launcher: null })
  t.end()
})

t.test('pid 1 is none', (t) => {
  t.throws(() => openTarget(1), /process 1.* cannot be the application of a session/)
  t.end()
})

t.test('a process is told from a later one with its number by its start', (t) => {
  t.ok(isAlive(process.pid, startTimeOf('self')))
  t.notOk(isAlive(process.pid, '1'))
  t.notOk(isAlive(2 ** 22 + 1, '1'), 'no number is that large')
  t.end()
})
