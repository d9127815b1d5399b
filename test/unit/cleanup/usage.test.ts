/* How much a directory holds: beside du(1), which every machine has. */
import { execFileSync } from 'node:child_process'
import { linkSync, mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { UsageMeter } from '../../../src/cleanup/usage.js'
import { O } from '../../../src/sys/flags.js'
import { openat2 } from '../../../src/sys/path.js'

const skip = process.geteuid?.() === 0 ? false : 'needs root: O_NOATIME on what another owns'
const soon = () => performance.now() + 30_000
const open = (path: string) => openat2(null, path, O.O_PATH | O.O_DIRECTORY, 0)
const du = (path: string) =>
  Number(execFileSync('du', ['-s', '--block-size=1', path], { encoding: 'utf8' }).split('\t')[0])

t.test('as many bytes as du', { skip }, (t) => {
  const dir = t.testdir({ tree: { a: { b: { c: 'x'.repeat(100_000) } }, d: 'y' } })
  const tree = join(dir, 'tree')
  linkSync(join(tree, 'a/b/c'), join(tree, 'again'))
  symlinkSync('/usr', join(tree, 'usr'))
  writeFileSync(join(tree, 'sparse'), '')
  truncateSync(join(tree, 'sparse'), 1 << 30)
  mkdirSync(join(tree, ...Array<string>(200).fill('deep')), { recursive: true })
  using parent = open(dir)
  const { bytes, complete, changedMs } = new UsageMeter().measure(parent, 'tree', soon())
  t.same({ bytes, complete }, { bytes: du(tree), complete: true })
  t.ok(Math.abs(Date.now() - changedMs) < 60_000)
  t.end()
})

t.test('one meter measures one after the other', { skip }, (t) => {
  const dir = t.testdir({ one: { a: 'x'.repeat(9000) }, two: {} })
  using parent = open(dir)
  const meter = new UsageMeter()
  const first = meter.measure(parent, 'one', performance.now())
  t.equal(first.complete, false, 'the time was over before it began')
  t.equal(meter.measure(parent, 'one', soon()).bytes, du(join(dir, 'one')))
  t.same(meter.measure(parent, 'two', soon()).bytes, du(join(dir, 'two')))
  t.end()
})

t.test('too deep to hold all its parents open: there is more', { skip }, (t) => {
  const dir = t.testdir({ tree: {} })
  mkdirSync(join(dir, 'tree', ...Array<string>(300).fill('d')), { recursive: true })
  using parent = open(dir)
  t.equal(new UsageMeter().measure(parent, 'tree', soon()).complete, false)
  t.end()
})

t.test('what is no directory', { skip }, (t) => {
  const dir = t.testdir({ file: '', link: t.fixture('symlink', '/tmp') })
  using parent = open(dir)
  for (const name of ['file', 'link', 'nothing']) {
    t.throws(() => new UsageMeter().measure(parent, name, soon()), { code: /ENOTDIR|ELOOP|ENOENT/ }, name)
  }
  t.end()
})
