import t from 'tap'
import { parseMountinfo } from '../../../src/mountinfo/parse.js'
import { MountTable, propagationType } from '../../../src/mountinfo/table.js'
import { BELOW_TMP, CHROOT, SHM_TWICE, SYSTEMD } from './fixtures/tables.js'

const table = (text: string) => new MountTable(parseMountinfo(text))
const mount = (id: number, parent: number, point: string) =>
  `${id} ${parent} 0:${id} / ${point} rw - tmpfs t rw\n`
const ids = (mounts: readonly { id: number }[]) => mounts.map(({ id }) => id)

t.test('the mount that a path is on', (t) => {
  const systemd = table(SYSTEMD)
  for (const [path, id] of [
    ['/', 28],
    ['/etc/passwd', 28],
    ['/tmp', 40],
    ['/tmp/', 40],
    ['/tmp/a/b', 40],
    ['/tmpfoo', 28],
    ['/dev/shm/x', 31],
    ['/home/../dev//pts/./0', 26],
  ] as const) {
    t.equal(systemd.holding(path)?.id, id, path)
  }
  t.throws(() => systemd.holding('tmp'), /is absolute/)
  t.end()
})

t.test('mount points', (t) => {
  const systemd = table(SYSTEMD)
  t.equal(systemd.at('/tmp')?.id, 40)
  t.equal(systemd.at('/')?.id, 28)
  t.equal(systemd.at('/tmp/a'), null)
  const [first] = systemd.mounts
  t.equal(first && systemd.byId(first.id), first)
  t.end()
})

t.test('stacked on one point: the top one counts, in whatever order the table has them', (t) => {
  const twice = table(SHM_TWICE)
  t.equal(twice.at('/dev/shm')?.id, 30)
  t.strictSame(ids(twice.mounts.filter((m) => !twice.isVisible(m))), [25])
  const tucked = table(mount(1, 0, '/') + mount(9, 12, '/tmp') + mount(12, 1, '/tmp'))
  t.equal(tucked.at('/tmp')?.id, 9, 'a mount that was slid beneath another has the higher id')
  t.end()
})

t.test('a mount point below a mount that came later is hidden by it', (t) => {
  const hidden = table(mount(1, 0, '/') + mount(2, 1, '/a/b') + mount(3, 1, '/a'))
  t.equal(hidden.holding('/a/b/c')?.id, 3)
  t.equal(hidden.at('/a/b'), null)
  t.strictSame(hidden.below('/a'), [])
  t.strictSame(ids(hidden.below('/')), [3])
  t.end()
})

t.test('a mount on top of / itself is not where paths start', (t) => {
  const covered = table(mount(1, 0, '/') + mount(2, 1, '/tmp') + mount(3, 1, '/') + mount(4, 3, '/tmp'))
  t.equal(covered.at('/')?.id, 1)
  t.equal(covered.at('/tmp')?.id, 2)
  t.end()
})

t.test('a chroot whose root is no mount point', (t) => {
  const chroot = table(CHROOT)
  t.equal(chroot.at('/'), null)
  t.equal(chroot.holding('/etc'), null)
  t.equal(chroot.at('/tmp')?.id, 52)
  t.end()
})

t.test('what is below a path', (t) => {
  const below = table(BELOW_TMP)
  t.strictSame(ids(below.below('/tmp')), [40, 41], 'not /tmpfoo')
  t.strictSame(ids(below.below('/tmp/scratch')), [41])
  t.strictSame(ids(below.below('/var')), [])
  t.end()
})

t.test('what MS_REC reaches, hidden mounts too', (t) => {
  const twice = table(SHM_TWICE)
  const root = twice.at('/')
  t.strictSame(ids(root === null ? [] : twice.descendantsOf(root)), [22, 24, 25, 30])
  t.end()
})

t.test('types as mount(8) names them', (t) => {
  t.equal(propagationType({}), 'private')
  t.equal(propagationType({ unbindable: true }), 'unbindable')
  t.equal(propagationType({ master: 1, propagateFrom: 2 }), 'slave')
  t.equal(propagationType({ shared: 1 }), 'shared')
  t.equal(propagationType({ shared: 1, master: 2 }), 'shared')
  t.end()
})

t.test('ten thousand mounts, one on the other, and side by side', (t) => {
  const deep = Array.from({ length: 3000 }, (_, i) => mount(i + 1, i, i === 0 ? '/' : '/tmp')).join('')
  t.equal(table(deep).at('/tmp')?.id, 3000)
  const wide = Array.from({ length: 10_000 }, (_, i) =>
    mount(i + 1, i === 0 ? 0 : 1, i === 0 ? '/' : `/m/${i}`),
  )
  t.equal(table(wide.join('')).below('/m').length, 9999)
  t.end()
})
