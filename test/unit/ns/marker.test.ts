import t from 'tap'
import { uidOfMark } from '../../../src/ns/marker.js'

const HOST = `22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
23 22 0:5 / /run rw,nosuid shared:2 - tmpfs tmpfs rw,mode=755
`

t.test('a private namespace is known by its mark', async (t) => {
  const mark =
    '107 23 0:42 / /run/polyns/ns ro,nosuid,nodev,noexec,relatime shared:37 - tmpfs polyns:5001 rw,size=4k\n'
  t.equal(uidOfMark(HOST + mark), 5001)
  t.equal(uidOfMark(mark + HOST), 5001)
  t.equal(uidOfMark(HOST + mark.replace(' shared:37', '')), 5001, 'whatever its propagation')
  t.equal(uidOfMark(HOST + mark.replace('5001', '0')), 0, 'root can have one too')
})

t.test('nothing else is taken for a mark', async (t) => {
  t.equal(uidOfMark(HOST), null)
  t.equal(uidOfMark(''), null)
  const other = (point: string, rest: string, root = '/') =>
    `107 23 0:42 ${root} ${point} ro shared:37 - ${rest} rw\n`
  for (const line of [
    other('/run/polyns', 'tmpfs polyns:5001'),
    other('/run/polyns/ns/x', 'tmpfs polyns:5001'),
    other('/home/alice/run/polyns/ns', 'tmpfs polyns:5001'),
    other('/run/polyns/ns', 'tmpfs tmpfs'),
    other('/run/polyns/ns', 'tmpfs polyns:'),
    other('/run/polyns/ns', 'tmpfs polyns:x'),
    other('/run/polyns/ns', 'fuse.x polyns:5001'),
    other('/run/polyns/ns', 'tmpfs polyns:5001', '/sub'),
    other('/run/polyns/ns\\040-\\040tmpfs\\040polyns:5001', 'ext4 /dev/vda'),
  ])
    t.equal(uidOfMark(HOST + line), null, line)
})
