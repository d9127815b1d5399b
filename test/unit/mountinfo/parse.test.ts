import t from 'tap'
import { parseMountinfo } from '../../../src/mountinfo/parse.js'
import { UnsupportedError } from '../../../src/sys/errors.js'
import { SYSTEMD } from './fixtures/tables.js'

const one = (line: string) => {
  const [mount] = parseMountinfo(`${line}\n`)
  if (mount === undefined) throw new Error('no mount')
  return mount
}

t.test('every field of the line in proc_pid_mountinfo(5)', (t) => {
  t.same(
    one(
      '36 35 98:0 /mnt1 /mnt2 rw,noatime shared:7 master:1 propagate_from:3 - ext3 /dev/root rw,errors=continue',
    ),
    {
      id: 36,
      parentId: 35,
      dev: '98:0',
      root: '/mnt1',
      mountPoint: '/mnt2',
      options: ['rw', 'noatime'],
      propagation: { shared: 7, master: 1, propagateFrom: 3 },
      fstype: 'ext3',
      source: '/dev/root',
      superOptions: ['rw', 'errors=continue'],
    },
  )
  t.end()
})

t.test('optional fields', (t) => {
  const propagation = (fields: string) => one(`1 0 8:1 / / rw ${fields}- ext4 none rw`).propagation
  t.strictSame(propagation(''), {})
  t.strictSame(propagation('unbindable '), { unbindable: true })
  t.strictSame(propagation('master:4 '), { master: 4 })
  t.strictSame(propagation('shared:1 shiny:3 new '), { shared: 1 }, 'unknown ones are passed over')
  t.strictSame(propagation('constructor:1 toString '), {}, 'whatever their names')
  t.end()
})

t.test('what the kernel escapes', (t) => {
  const mount = one(
    String.raw`1 0 0:1 /a\040b /tab\011nl\012back\134slash\134040 rw - fuse.x \043h\040s rw,o=\054,p`,
  )
  t.equal(mount.root, '/a b')
  t.equal(mount.mountPoint, '/tab\tnl\nback\\slash\\040', 'once, and not again')
  t.equal(mount.source, '#h s')
  t.strictSame(mount.superOptions, ['rw', 'o=,', 'p'], 'a comma in an option does not split it')
  t.equal(one('1 0 0:1 / /mnt/öffentlich rw - tmpfs ü rw').mountPoint, '/mnt/öffentlich')
  t.end()
})

t.test('oddities that kernels do write', (t) => {
  t.equal(one('1 0 0:1 / /x rw - tmpfs  rw').source, '', 'an empty source')
  t.equal(one('1 0 0:1 / /x rw - tmpfs - rw').source, '-', 'a source that looks like the separator')
  t.equal(one('1 0 0:4 mnt:[4026532281] /run/ns rw - nsfs nsfs rw').root, 'mnt:[4026532281]')
  t.equal(one('1 0 0:4 /gone//deleted /x rw - ext4 /dev/sda rw').root, '/gone//deleted')
  t.strictSame(parseMountinfo(''), [])
  t.equal(parseMountinfo(SYSTEMD).length, 9)
  t.end()
})

t.test('a line that is no mount is an error that shows it', (t) => {
  const bad = [
    '1 0 0:1 / /x rw',
    '1 0 0:1 / /x rw shared:1 tmpfs tmpfs rw',
    '1 0 0:1 / /x rw - tmpfs tmpfs',
    '1 0 0:1 / /x rw - tmpfs tmpfs rw more',
    '1 0 0:1 / relative rw - tmpfs tmpfs rw',
    '1 0 01 / /x rw - tmpfs tmpfs rw',
    'x 0 0:1 / /x rw - tmpfs tmpfs rw',
    '1 -2 0:1 / /x rw - tmpfs tmpfs rw',
    '1 0 0:1 / /x rw shared:x - tmpfs tmpfs rw',
    '1 0 0:1 / /x rw master - tmpfs tmpfs rw',
    ' ',
  ]
  for (const line of bad) {
    const whole = `1 0 0:1 / / rw - tmpfs tmpfs rw\n${line}\n`
    t.throws(
      () => parseMountinfo(whole),
      new UnsupportedError('line 2 of mountinfo', `'${line}' is no mount`),
    )
  }
  t.throws(() => parseMountinfo('\x1b[31m'), { message: /\\x1b\[31m/ }, 'without what steers a terminal')
  t.end()
})
