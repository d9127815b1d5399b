/*
 * No kernel with SELinux runs these tests: what is real here is libselinux on a machine where it is off, so that the calls are
 * bound as the library has them. What it answers where SELinux is on is a table in ns/context.test.ts.
 */
import { existsSync } from 'node:fs'
import t from 'tap'
import { SyscallError } from '../../../src/sys/errors.js'
import { kernelHasSelinux, loadSelinux } from '../../../src/sys/selinux.js'

const selinux = loadSelinux()
const isOn = existsSync('/sys/fs/selinux/enforce')
const skip = selinux === null ? 'no libselinux here' : isOn ? 'SELinux is on here' : false

t.test('where SELinux is off', { skip }, (t) => {
  if (selinux === null) return t.end()
  t.equal(kernelHasSelinux(), false)
  t.equal(selinux.isEnabled(), false)
  t.equal(loadSelinux(), selinux, 'the library is loaded once')
  t.throws(() => selinux.computeMember('u:r:t:s0', 'u:o:t:s0'), SyscallError, 'no policy computes anything')
  t.throws(() => selinux.defaultContext('root', 'u:r:t:s0'), SyscallError, 'nor a default context')
  t.throws(() => selinux.defaultLabel('/tmp'), SyscallError, 'nor a label')
  t.end()
})

t.test('the context of a thread that has ended', { skip }, (t) => {
  t.throws(() => selinux?.contextOf('/proc/0/task/0', 'exec'), {
    constructor: SyscallError,
    code: 'ENOENT',
    message: 'read(/proc/0/task/0/attr/exec) = ENOENT (no such file or directory)',
  })
  t.end()
})
