/* The small things that checks are made of: settings, locks, room, lists, file systems, trees. */
import t from 'tap'
import { propagationTree } from '../../../src/doctor/checks/propagation-tree.js'
import { asBoolean, settingIn } from '../../../src/doctor/confd.js'
import type { Host } from '../../../src/doctor/host.js'
import { parseFlocks } from '../../../src/doctor/locks.js'
import { isNetwork } from '../../../src/doctor/networkfs.js'
import { some } from '../../../src/doctor/some.js'
import { shortOf } from '../../../src/doctor/space.js'
import { parseMountinfo } from '../../../src/mountinfo/parse.js'
import { MountTable } from '../../../src/mountinfo/table.js'

t.test('a setting of systemd’s files', async (t) => {
  const cases: [string, string[], string | null][] = [
    ['the last one counts', ['[Login]\nRemoveIPC=no\nRemoveIPC=yes'], 'yes'],
    ['of a later file, too', ['[Login]\nRemoveIPC=no', '[Login]\n RemoveIPC = yes '], 'yes'],
    ['an empty one takes it back', ['[Login]\nRemoveIPC=no\nRemoveIPC='], null],
    ['of another section it is another', ['[Other]\nRemoveIPC=no'], null],
    ['comments', ['[Login]\n#RemoveIPC=no\n;RemoveIPC=no'], null],
    ['a file begins without a section', ['[Login]', 'RemoveIPC=no'], null],
  ]
  for (const [what, texts, value] of cases) {
    const files = texts.map((text, i) => ({ path: `${i}`, text }))
    t.equal(settingIn(files, 'Login', 'RemoveIPC')?.value ?? null, value, what)
  }
  t.same([asBoolean('On'), asBoolean('0'), asBoolean('disconnected')], [true, false, null])
})

t.test('/proc/locks', async (t) => {
  const text = `1: POSIX  ADVISORY  WRITE 10 00:1b:5 0 EOF
2: FLOCK  ADVISORY  WRITE 4321 00:1b:678 0 EOF
2: -> FLOCK  ADVISORY  WRITE 99 00:1b:678 0 EOF
3: FLOCK  ADVISORY  READ  7 fd:0a:9 0 EOF
`
  t.strictSame(parseFlocks(text), [
    { pid: 4321, dev: '0:27', ino: '678' },
    { pid: 7, dev: '253:10', ino: '9' },
  ])
})

t.test('room', async (t) => {
  const space = { bsize: 1024, blocks: 1000, bavail: 500, files: 100, ffree: 50 }
  const least = { part: 0.05, bytes: 10_240, inodes: 2 }
  t.equal(shortOf(space, least), null)
  t.equal(shortOf({ ...space, bavail: 49 }, least), '49 KiB left')
  t.equal(shortOf({ ...space, blocks: 100, bavail: 9 }, least), '9 KiB left', 'little, though a large part')
  t.equal(shortOf({ ...space, ffree: 4 }, least), '4 inodes left')
  t.equal(shortOf({ ...space, files: 0, ffree: 0 }, least), null, 'as btrfs has no number of inodes')
  t.equal(shortOf({ ...space, blocks: 0, bavail: 0 }, least), null, 'nor a tmpfs without a limit blocks')
})

t.test('lists and file systems', async (t) => {
  t.equal(some(['a', 'b']), 'a b')
  t.equal(some([1, 2, 3, 4, 5, 6, 7]), '1 2 3 4 5 and 2 more')
  t.strictSame(['nfs4', 'lustre', 'fuse.sshfs'].filter(isNetwork), ['nfs4', 'lustre', 'fuse.sshfs'])
  t.strictSame(['ext4', 'tmpfs', 'overlay', 'fuse', 'fuse.lxcfs', 'fuseblk'].filter(isNetwork), [])
})

t.test('trees that are not shared', async (t) => {
  const look = (...lines: string[]) => {
    const table = ['1 0 0:1 / / rw shared:1 - ext4 d rw', ...lines].join('\n')
    const host = { mounts: new MountTable(parseMountinfo(table)), rules: [], configFile: undefined }
    return propagationTree.run(host as unknown as Host).map(({ severity, saw }) => `${severity} ${saw}`)
  }
  t.strictSame(look('2 1 0:2 / /home rw - ext4 d rw'), ['note /home (ext4) is private, while / is shared'])
  t.strictSame(look('2 1 0:2 / /net/x rw master:1 - nfs4 d rw'), [
    'note /net/x (nfs4) is slave, while / is shared',
  ])
  t.strictSame(look('2 1 0:2 / /home/auto rw - autofs d rw'), [
    'warning /home/auto (autofs) is private, while / is shared',
  ])
  t.strictSame(look('2 1 0:2 / /home rw shared:2 - ext4 d rw'), [])
  t.strictSame(look('2 1 0:2 / /var/lib/docker/x rw - overlay d rw'), [], 'container engines have many')
})
