import { mkdirSync, readdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { AT, LOCK, O, RENAME, RESOLVE } from '../../../src/sys/flags.js'
import {
  fchmod,
  flock,
  getxattr,
  listxattr,
  mkdirat,
  openat2,
  pathOf,
  readlinkFd,
  removexattr,
  renameat2,
  unlinkat,
} from '../../../src/sys/path.js'
import { sameFile, statx } from '../../../src/sys/stat.js'

t.test('statx tells every type of file apart', (t) => {
  const directory = t.testdir({ file: 'text', directory: {} })
  symlinkSync('nowhere', join(directory, 'link'))
  using dir = openat2(null, directory, O.O_PATH, 0)
  t.equal(statx(dir).type, 'directory')
  t.match(statx(dir, 'directory'), { type: 'directory' })
  t.match(statx(dir, 'file'), { type: 'file', nlink: 1, uid: process.geteuid?.() ?? 0 })
  t.equal(statx(dir, 'link').type, 'symlink', 'and does not follow a link')
  t.equal(statx(null, '/dev/null').type, 'character device')
  t.match(statx(null, '/proc/self/stat'), { type: 'file', mode: 0o444 })
  t.ok(sameFile(statx(dir), statx(null, directory)))
  t.notOk(sameFile(statx(dir), statx(dir, 'file')))
  t.throws(() => statx(dir, 'none'), { code: 'ENOENT', path: join(directory, 'none') })
  t.end()
})

t.test('openat2 stays where it is told to', (t) => {
  const directory = t.testdir({ inside: { file: 'text' } })
  symlinkSync('/etc', join(directory, 'out'))
  symlinkSync('inside', join(directory, 'in'))
  using dir = openat2(null, directory, O.O_PATH | O.O_DIRECTORY, 0)
  using file = openat2(dir, 'in/file', O.O_RDONLY, RESOLVE.RESOLVE_BENEATH)
  t.equal(file.label, join(directory, 'in/file'))
  t.throws(() => openat2(dir, 'out', O.O_PATH, RESOLVE.RESOLVE_BENEATH), { code: 'EXDEV' })
  t.throws(() => openat2(dir, '..', O.O_PATH, RESOLVE.RESOLVE_BENEATH), { code: 'EXDEV' })
  t.throws(() => openat2(dir, 'in/file', O.O_RDONLY, RESOLVE.RESOLVE_NO_SYMLINKS), {
    code: 'ELOOP',
    message: /^openat2\(\d+ \('.*'\), 'in\/file', \{flags=0, resolve=RESOLVE_NO_SYMLINKS\}\) = ELOOP/,
  })
  t.throws(() => openat2(dir, 'inside/file', O.O_DIRECTORY, 0), { code: 'ENOTDIR' })
  t.end()
})

t.test('a descriptor goes on seeing what was opened, whatever the path means by now', (t) => {
  const directory = t.testdir({ a: { file: 'text' } })
  using a = openat2(null, join(directory, 'a'), O.O_PATH | O.O_DIRECTORY, 0)
  renameSync(join(directory, 'a'), join(directory, 'b'))
  mkdirSync(join(directory, 'a'))
  t.equal(statx(a, 'file').type, 'file')
  t.end()
})

t.test('making, renaming and removing', (t) => {
  const directory = t.testdir()
  using dir = openat2(null, directory, O.O_DIRECTORY, 0)
  mkdirat(dir, 'one', 0o700)
  mkdirat(dir, 'two', 0o700)
  t.equal(statx(dir, 'one').mode, 0o700)
  t.throws(() => mkdirat(dir, 'one', 0o700), { code: 'EEXIST' })
  t.throws(() => renameat2(dir, 'one', dir, 'two', RENAME.RENAME_NOREPLACE), {
    code: 'EEXIST',
    path: join(directory, 'one'),
    dest: join(directory, 'two'),
  })
  renameat2(dir, 'one', dir, 'three', RENAME.RENAME_NOREPLACE)
  writeFileSync(join(directory, 'three/file'), '')
  t.throws(() => unlinkat(dir, 'three', AT.AT_REMOVEDIR), { code: 'ENOTEMPTY' })
  unlinkat(dir, 'three/file', 0)
  unlinkat(dir, 'three', AT.AT_REMOVEDIR)
  t.strictSame(readdirSync(directory), ['two'])
  using two = openat2(dir, 'two', O.O_DIRECTORY, 0)
  fchmod(two, 0o1755)
  t.equal(statx(two).mode, 0o1755)
  t.end()
})

t.test('reading a link by the descriptor of the link itself', (t) => {
  const directory = t.testdir()
  symlinkSync('to/somewhere', join(directory, 'link'))
  using link = openat2(null, join(directory, 'link'), O.O_PATH | O.O_NOFOLLOW, 0)
  t.equal(readlinkFd(link), 'to/somewhere')
  t.end()
})

t.test('locks', (t) => {
  const file = join(t.testdir({ lock: '' }), 'lock')
  using first = openat2(null, file, O.O_RDWR, 0)
  using second = openat2(null, file, O.O_RDWR, 0)
  t.ok(flock(first, LOCK.LOCK_EX))
  t.notOk(flock(second, LOCK.LOCK_EX | LOCK.LOCK_NB), 'somebody else holds it')
  flock(first, LOCK.LOCK_UN)
  t.ok(flock(second, LOCK.LOCK_EX | LOCK.LOCK_NB))
  t.end()
})

t.test('extended attributes that are not there', (t) => {
  using dir = openat2(null, t.testdir(), O.O_PATH, 0)
  t.equal(getxattr(dir, 'user.none'), null)
  t.notOk(listxattr(dir).includes('user.none'))
  t.throws(() => removexattr(dir, 'user.none'), { message: /^removexattr\(\d+ \('.*'\), 'user\.none'\) = E/ })
  t.end()
})

t.test('paths as people know them', (t) => {
  using root = openat2(null, '/', O.O_PATH, 0)
  t.equal(pathOf(null, '/a'), '/a')
  t.equal(pathOf(root, 'a'), '/a')
  t.equal(pathOf(root, ''), '/')
  t.equal(pathOf(root, '/b'), '/b')
  t.end()
})
