/* What removeTree gives and throws, on trees of this user's own; the hostile ones are in test/root. */
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { removeTree } from '../../../src/cleanup/remove.js'
import { monotonicMs } from '../../../src/sys/clock.js'
import { O } from '../../../src/sys/flags.js'
import { openat2 } from '../../../src/sys/path.js'

const soon = () => ({ deadline: monotonicMs() + 30_000 })
const open = (path: string) => openat2(null, path, O.O_PATH | O.O_DIRECTORY, 0)

t.test('all goes, and is counted', (t) => {
  const dir = t.testdir({ tree: { a: { b: { c: '' } }, d: '', empty: {} }, other: '' })
  using parent = open(dir)
  t.same(removeTree(parent, 'tree', soon()), { removed: 6, left: [], complete: true })
  t.notOk(existsSync(join(dir, 'tree')))
  t.ok(existsSync(join(dir, 'other')))
  t.end()
})

t.test('deeper than the descriptors that it holds', (t) => {
  const dir = t.testdir({ tree: {} })
  for (const branch of ['x', 'y', '.polyns-deep.x']) {
    mkdirSync(join(dir, 'tree', branch, ...Array<string>(200).fill('d')), { recursive: true })
    writeFileSync(join(dir, 'tree', branch, ...Array<string>(150).fill('d'), 'file'), '')
  }
  using parent = open(dir)
  t.same(removeTree(parent, 'tree', soon()), { removed: 607, left: [], complete: true })
  t.end()
})

t.test('names that are not UTF-8', (t) => {
  const dir = t.testdir({ tree: {} })
  const name = Buffer.concat([Buffer.from(join(dir, 'tree/')), Buffer.of(0xff, 0x0a)])
  mkdirSync(name)
  writeFileSync(Buffer.concat([name, Buffer.from('/'), Buffer.of(0xfe)]), '')
  using parent = open(dir)
  t.same(removeTree(parent, 'tree', soon()), { removed: 3, left: [], complete: true })
  t.end()
})

t.test('when the time is over nothing more is removed, and the next run goes on', (t) => {
  const dir = t.testdir({ tree: { a: { b: '' } } })
  using parent = open(dir)
  t.same(removeTree(parent, 'tree', { deadline: monotonicMs() - 1 }), {
    removed: 0,
    left: [],
    complete: false,
  })
  t.ok(existsSync(join(dir, 'tree/a/b')))
  t.match(removeTree(parent, 'tree', soon()), { complete: true })
  t.end()
})

t.test('something else than a directory is not touched', (t) => {
  const dir = t.testdir({ file: '', real: { a: '' } })
  symlinkSync('real', join(dir, 'link'))
  using parent = open(dir)
  for (const [name, code] of [
    ['missing', 'ENOENT'],
    ['file', 'ENOTDIR'],
    ['link', 'ENOTDIR'],
  ] as const) {
    t.throws(() => removeTree(parent, name, soon()), { code })
  }
  t.ok(existsSync(join(dir, 'real/a')))
  t.ok(existsSync(join(dir, 'file')))
  t.end()
})
