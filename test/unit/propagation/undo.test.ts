import t from 'tap'
import { parseMountinfo } from '../../../src/mountinfo/parse.js'
import { MountTable, propagationType } from '../../../src/mountinfo/table.js'
import { identityOf, type Unshared } from '../../../src/propagation/record.js'
import { restorations } from '../../../src/propagation/undo.js'
import { PLAIN_INIT, SHM_TWICE } from '../mountinfo/fixtures/tables.js'

/** What `mount --make-rshared /` leaves of a table, and what it was. */
function shareAll(text: string) {
  const recorded = parseMountinfo(text).flatMap((mount) => {
    const was = propagationType(mount.propagation)
    return was === 'shared' ? [] : [{ ...identityOf(mount), was: was as Unshared }]
  })
  let group = 100
  const shared = text.replace(
    /^((?:\S+ ){6})(?!.*shared:)(?:unbindable )?/gm,
    (_, fields) => `${fields}shared:${++group} `,
  )
  return { recorded, shared }
}

const lines = (text: string, recorded: Parameters<typeof restorations>[1]) =>
  [...restorations(new MountTable(parseMountinfo(text)), recorded)].map(
    ({ mount, type, recursive }) => `${recursive ? 'r' : ''}${type} ${mount.mountPoint}`,
  )

t.test('all private before: one call does it, and reaches the hidden ones', (t) => {
  const { recorded, shared } = shareAll(SHM_TWICE)
  // Listed by the kernel as they were made: / is not the first.
  t.strictSame(lines(shared, recorded), ['rprivate /'])
  t.end()
})

t.test('a mount that was shared before, or came later, is not touched', (t) => {
  const some = PLAIN_INIT.replace('/proc rw,relatime -', '/proc rw,relatime shared:7 -')
  const { recorded, shared } = shareAll(some)
  t.strictSame(lines(shared, recorded), ['private /', 'rprivate /dev'])
  const later = `${shareAll(PLAIN_INIT).shared}50 27 0:50 / /mnt rw shared:9 - tmpfs t rw\n`
  t.strictSame(lines(later, shareAll(PLAIN_INIT).recorded), ['private /', 'private /proc', 'rprivate /dev'])
  t.end()
})

t.test('each becomes what it was', (t) => {
  const some = PLAIN_INIT.replace('/proc rw,relatime -', '/proc rw,relatime master:7 -').replace(
    '/dev/shm rw,relatime -',
    '/dev/shm rw,relatime unbindable -',
  )
  const { recorded, shared } = shareAll(some)
  t.strictSame(lines(shared, recorded), ['private /', 'slave /proc', 'private /dev', 'unbindable /dev/shm'])
  t.end()
})

t.test('what is not shared any more, or is another mount by now, is left alone', (t) => {
  const { recorded, shared } = shareAll(PLAIN_INIT)
  t.strictSame(lines(PLAIN_INIT, recorded), [])
  const reused = shared.replace('22 27 0:21 / /proc', '22 27 0:99 / /mnt')
  t.strictSame(lines(reused, recorded), ['private /', 'rprivate /dev'])
  t.end()
})
