/* Table against table: what a process does not see of the host, what it sees besides, and what can be said about why. */
import t from 'tap'
import { compareViews, type Difference, pathOf, privateDirectories } from '../../../src/mountinfo/diff.js'
import { type Mount, parseMountinfo } from '../../../src/mountinfo/parse.js'
import { MountTable } from '../../../src/mountinfo/table.js'

/** Lines of `ID PARENT DEV ROOT POINT OPTIONS [PROPAGATION...] - TYPE SOURCE`; a unique id is 1000 times the id. */
function table(...lines: string[]): MountTable {
  const mounts = parseMountinfo(lines.map((line) => `${line} rw\n`).join(''))
  return new MountTable(mounts.map((mount) => ({ ...mount, uniqueId: BigInt(mount.id) * 1000n })))
}

const HOST = [
  '10 1 8:1 / / rw shared:1 - ext4 /dev/a',
  '11 10 0:20 / /autofs rw shared:2 - autofs auto',
  '12 10 8:2 / /home rw shared:3 - ext4 /dev/home',
]
/** A session of alice: copies first, then her /tmp, then the mark. */
const INSIDE = [
  '50 1 8:1 / / rw shared:100 master:1 - ext4 /dev/a',
  '51 50 0:20 / /autofs rw shared:101 master:2 - autofs auto',
  '52 50 8:2 / /home rw shared:102 master:3 - ext4 /dev/home',
  '53 50 8:1 /tmp/inst/alice /tmp rw shared:103 - ext4 /dev/a',
  '54 50 0:30 / /run/polyns/ns ro shared:104 - tmpfs polyns:5001',
]

function compare(hostLines: string[], insideLines: string[]): Difference[] {
  const [host, inside] = [table(...hostLines), table(...insideLines)]
  const mark = inside.at('/run/polyns/ns')
  const own = mark === null ? [] : [...privateDirectories(host, inside, mark, 'polyns'), mark]
  return compareViews({ host, inside, own, mark })
}

/** `missing /autofs/data after host-private /autofs`, the gist of each. */
function gist(differences: readonly Difference[]): string[] {
  return differences.map((d) => {
    const words: (string | number | null)[] = [d.kind, d.mount.mountPoint]
    if ('order' in d) words.push(d.order)
    if ('reason' in d) words.push(...Object.values(d.reason).filter((v) => typeof v !== 'boolean'))
    if ('origin' in d) words.push(d.origin)
    if ('by' in d) words.push('by', d.by.mountPoint)
    if ('below' in d && d.below > 0) words.push(`+${d.below}`)
    return words.join(' ')
  })
}

const NFS = '60 11 0:40 / /autofs/data rw shared:9 - nfs4 server:/data'
/** With a line of the same id in place of the one before. */
const having = (lines: string[], ...changed: string[]) => {
  const idOf = (line: string) => line.split(' ')[0]
  return [...lines.filter((line) => !changed.some((one) => idOf(one) === idOf(line))), ...changed].sort(
    (a, b) => Number(idOf(a)) - Number(idOf(b)),
  )
}

const CASES: [sentence: string, host: string[], inside: string[], expected: string[]][] = [
  ['a session without a difference has none, its own directories do not count', HOST, INSIDE, []],
  [
    'a mount that arrived makes none',
    [...HOST, NFS],
    [...INSIDE, '61 51 0:40 / /autofs/data rw shared:120 master:9 - nfs4 server:/data'],
    [],
  ],
  [
    'an automount that is private here: what it mounts is missing, and a look ends with ELOOP',
    [...HOST, NFS],
    having(INSIDE, '51 50 0:20 / /autofs rw shared:101 - autofs auto'),
    ['autofs /autofs private-here /autofs', 'missing /autofs/data after private-here /autofs'],
  ],
  [
    'such an automount is broken also while nothing is mounted on it',
    HOST,
    having(INSIDE, '51 50 0:20 / /autofs rw - autofs auto'),
    ['autofs /autofs private-here /autofs'],
  ],
  [
    'an automount that is private on the host reaches nobody',
    having(HOST, '11 10 0:20 / /autofs rw - autofs auto'),
    having(INSIDE, '51 50 0:20 / /autofs rw shared:101 - autofs auto'),
    ['autofs /autofs host-private /autofs'],
  ],
  [
    'a direct automount: the mount covers it on the host, and only the automount is here',
    having(
      HOST,
      '11 10 0:20 / /net/d rw shared:2 - autofs auto',
      '60 11 0:40 / /net/d rw shared:9 - nfs4 s:/d',
    ),
    having(INSIDE, '51 50 0:20 / /net/d rw - autofs auto'),
    ['autofs /net/d private-here /net/d', 'missing /net/d after private-here /net/d'],
  ],
  [
    'an automount of a daemon that is in this namespace only says nothing of the host',
    HOST,
    [...INSIDE, '70 50 0:50 / /own rw - autofs mine'],
    ['extra /own here'],
  ],
  [
    'a mount from after the session, on a tree that is private on the host',
    [...having(HOST, '10 1 8:1 / / rw - ext4 /dev/a'), '60 10 0:40 / /mnt rw - nfs4 s:/m'],
    having(INSIDE, '50 1 8:1 / / rw shared:100 - ext4 /dev/a'),
    ['missing /mnt after host-private /'],
  ],
  [
    'the session was opened before setup made / shared',
    [...HOST, '60 10 0:40 / /mnt rw shared:9 - nfs4 s:/m'],
    having(INSIDE, '50 1 8:1 / / rw shared:100 - ext4 /dev/a'),
    ['missing /mnt after private-here /'],
  ],
  [
    'the tree gets its mounts from another peer group than the host has now',
    [...HOST, '60 10 0:40 / /mnt rw shared:9 - nfs4 s:/m'],
    having(INSIDE, '50 1 8:1 / / rw shared:100 master:77 - ext4 /dev/a'),
    ['missing /mnt after other-group / 77 1'],
  ],
  [
    'one that gets them through a group that is not seen gets them',
    [...HOST, '60 10 0:40 / /mnt rw shared:9 - nfs4 s:/m'],
    having(INSIDE, '50 1 8:1 / / rw shared:100 master:77 propagate_from:1 - ext4 /dev/a'),
    ['missing /mnt after unmounted-here /'],
  ],
  [
    'where the host’s mounts arrive, a missing one has been unmounted in the session, old or new',
    [...HOST, '60 10 0:40 / /mnt rw shared:9 - nfs4 s:/m'],
    INSIDE.filter((line) => !line.includes('/home')),
    ['missing /home before unmounted-here /', 'missing /mnt after unmounted-here /'],
  ],
  [
    'one that is older than a namespace that gets nothing would have been copied',
    HOST,
    having(INSIDE, '50 1 8:1 / / rw - ext4 /dev/a').filter((line) => !line.includes('/home')),
    ['missing /home before older'],
  ],
  [
    'of a tree that is missing the top is named, and the rest counted',
    [
      ...HOST,
      '60 10 0:40 / /m rw - nfs4 s:/m',
      '61 60 0:41 / /m/a rw - nfs4 s:/a',
      '62 61 0:42 / /m/a/b rw - nfs4 s:/b',
    ],
    having(INSIDE, '50 1 8:1 / / rw - ext4 /dev/a'),
    ['missing /m after private-here / +2'],
  ],
  [
    'a host’s mount below a private directory is hidden as intended, whether or not it is in the table',
    [...HOST, '13 10 0:21 / /tmp/old rw shared:4 - tmpfs t', '60 10 0:40 / /tmp/new rw shared:9 - tmpfs t'],
    [...INSIDE.slice(0, 3), '49 50 0:21 / /tmp/old rw shared:99 master:4 - tmpfs t', ...INSIDE.slice(3)],
    ['private /tmp/old by /tmp', 'private /tmp/new by /tmp'],
  ],
  [
    'a user’s tmpfs in front of a mount of the host',
    HOST,
    [...INSIDE, '70 52 0:50 / /home rw shared:130 - tmpfs mine'],
    ['hidden /home by /home'],
  ],
  [
    'a user’s own mount, and what is on it',
    HOST,
    [
      ...INSIDE,
      '70 52 0:50 / /home/alice/m rw shared:130 - fuse.sshfs h:/',
      '71 70 0:51 / /home/alice/m/n rw - tmpfs n',
    ],
    ['extra /home/alice/m here +1'],
  ],
  [
    'a mount that the host has unmounted and that could not go here: it is older than the mark',
    HOST,
    [...INSIDE.slice(0, 3), '49 50 0:60 / /gone rw shared:99 - nfs4 s:/g', ...INSIDE.slice(3)],
    ['extra /gone host'],
  ],
  [
    'one that came later and has a master may be either',
    HOST,
    [...INSIDE, '70 50 0:60 / /late rw master:44 - nfs4 s:/l'],
    ['extra /late unknown'],
  ],
  [
    'a directory bound on itself shows the same, on either side',
    [...HOST, '60 10 8:1 /srv /srv rw - ext4 /dev/a'],
    [...INSIDE, '70 50 8:1 /opt/x /opt/x rw - ext4 /dev/a'],
    [],
  ],
  [
    'what keep= shows of the host’s directory in the private one makes no difference',
    HOST,
    [...INSIDE, '70 53 8:1 /tmp/.X11-unix /tmp/.X11-unix rw shared:130 - ext4 /dev/a'],
    [],
  ],
  [
    'read-only here',
    HOST,
    having(INSIDE, '52 50 8:2 / /home ro,nosuid shared:102 master:3 - ext4 /dev/home'),
    ['options /home'],
  ],
  [
    'another root, as a container has: one line',
    HOST,
    ['50 1 0:70 / / rw - overlay o', '51 50 0:71 / /proc rw - proc proc'],
    ['hidden / by / +2'],
  ],
]

for (const [sentence, host, inside, expected] of CASES) {
  t.test(sentence, (t) => {
    t.strictSame(gist(compare(host, inside)), expected)
    t.end()
  })
}

t.test('without unique ids nothing is said of the order', (t) => {
  const without = (lines: string[]) => new MountTable(parseMountinfo(lines.map((l) => `${l} rw\n`).join('')))
  const inside = without(having(INSIDE, '51 50 0:20 / /autofs rw - autofs auto'))
  const mark = inside.at('/run/polyns/ns')
  const own = inside.mounts.slice(3)
  t.strictSame(gist(compareViews({ host: without([...HOST, NFS]), inside, own, mark })), [
    'autofs /autofs private-here /autofs',
    'missing /autofs/data  private-here /autofs',
  ])
  t.end()
})

t.test('private directories, where no record tells of them', (t) => {
  const host = table(...HOST)
  const points = (lines: string[]) => {
    const inside = table(...lines)
    const mark = inside.at('/run/polyns/ns') as Mount
    return privateDirectories(host, inside, mark, 'polyns').map(({ mountPoint }) => mountPoint)
  }
  t.strictSame(points(INSIDE), ['/tmp'])
  t.strictSame(
    points([...INSIDE, '70 50 8:1 /home/x /mnt rw - ext4 /dev/a']),
    ['/tmp'],
    'not what came later',
  )
  const more = ['49 50 0:60 / /gone rw - nfs4 s:/g', '48 50 0:61 / /dev/shm rw - tmpfs polyns']
  t.strictSame(
    points([...more, ...INSIDE]),
    ['/dev/shm', '/tmp'],
    'a tmpfs of polyns; no copy of a host’s mount',
  )
  t.strictSame(points(having(INSIDE, '53 50 8:1 /tmp /tmp rw shared:103 - ext4 /dev/a')), [])
  t.end()
})

t.test('where a directory of a file system is seen', (t) => {
  const host = table(...HOST, '13 10 8:1 /srv/deep /deep rw - ext4 /dev/a', '14 10 0:80 / /tmp rw - tmpfs t')
  t.equal(pathOf(host, { dev: '8:1', root: '/var/x' }), '/var/x')
  t.equal(pathOf(host, { dev: '8:2', root: '/alice' }), '/home/alice')
  t.equal(pathOf(host, { dev: '8:1', root: '/tmp/inst/alice' }), null, 'another file system is on /tmp')
  t.equal(pathOf(host, { dev: '9:9', root: '/' }), null)
  t.end()
})
