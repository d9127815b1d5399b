/* What polyns mount and umount do with one namespace, by the mount tables alone. */
import t from 'tap'
import { parseMountinfo } from '../../../src/mountinfo/parse.js'
import { MountTable } from '../../../src/mountinfo/table.js'
import { judgeMount, judgeUmount } from '../../../src/propagation/live-judge.js'

const table = (...lines: string[]) =>
  new MountTable(parseMountinfo(lines.map((line) => `${line}\n`).join('')))

const ROOT = '28 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw'
const DATA = '60 28 8:17 / /srv/data rw shared:9 - ext4 /dev/sdb1 rw'
const HOST = { table: table(ROOT, DATA), path: '/srv/data' }
const WITHOUT = { table: table(ROOT), path: '/srv/data' }

const SESSION_ROOT = '128 90 8:1 / / rw shared:41 master:1 - ext4 /dev/sda1 rw'
const on = (rest: string, parent = 128) => `160 ${parent} ${rest}`
const view = (lines: string[], more: { isSameParent?: boolean; polydirs?: string[] } = {}) => ({
  table: table(SESSION_ROOT, ...lines),
  isSameParent: true,
  polydirs: [],
  ...more,
})

const MOUNT: [what: string, host: typeof HOST, seen: ReturnType<typeof view>, expected: object | null][] = [
  ['nothing there: it is brought', HOST, view([]), null],
  ['the same there', HOST, view([on('8:17 / /srv/data rw - ext4 /dev/sdb1 rw')]), { outcome: 'already' }],
  [
    'another directory of the same file system there',
    HOST,
    view([on('8:17 /sub /srv/data rw - ext4 /dev/sdb1 rw')]),
    { outcome: 'left', why: 'ext4 /dev/sdb1 is mounted there' },
  ],
  [
    'something else there',
    HOST,
    view([on('0:50 / /srv/data rw - tmpfs own rw')]),
    { outcome: 'left', why: 'tmpfs own is mounted there' },
  ],
  [
    'an instance that holds the path',
    HOST,
    view([], { isSameParent: false }),
    { outcome: 'left', why: /another one there/ },
  ],
  [
    'the trigger of an automounter there, which the host has below it',
    {
      table: table(ROOT, '59 28 0:40 / /srv/data rw - autofs map rw', DATA.replace('60 28', '60 59')),
      path: '/srv/data',
    },
    view([on('0:40 / /srv/data rw - autofs map rw')]),
    null,
  ],
  [
    'a root that is a peer of the host’s',
    HOST,
    { ...view([]), table: table(ROOT.replace('28 1', '128 90')) },
    { outcome: 'left', why: 'what is mounted there spreads to the host' },
  ],
]

for (const [what, host, seen, expected] of MOUNT) {
  t.test(`mount: ${what}`, (t) => {
    const verdict = judgeMount(host, seen)
    if (expected === null) t.equal(verdict, null)
    else t.match(verdict, expected)
    t.end()
  })
}

const SAME = on('8:17 / /srv/data rw shared:50 - ext4 /dev/sdb1 rw')
const UMOUNT: typeof MOUNT = [
  ['nothing there', HOST, view([]), { outcome: 'already', why: 'not mounted there' }],
  ['what the host has too', HOST, view([SAME]), null],
  ['what the host has ended', WITHOUT, view([SAME]), null],
  ['what came from the host', HOST, view([on('0:50 / /srv/data rw master:77 - tmpfs x rw')]), null],
  [
    'another than the host’s',
    HOST,
    view([on('0:50 / /srv/data rw shared:50 - tmpfs own rw')]),
    { outcome: 'left', why: 'tmpfs own is mounted there, which is not what the host has' },
  ],
  [
    'a polydir',
    WITHOUT,
    view([SAME], { polydirs: ['/srv/data'] }),
    { outcome: 'left', why: 'it is a private directory of that session' },
  ],
  [
    'a tmpfs that polyns made',
    WITHOUT,
    view([on('0:50 / /srv/data rw - tmpfs polyns rw')]),
    { outcome: 'left', why: 'it is a private directory of that session' },
  ],
  [
    'the mark of a namespace',
    { table: table(ROOT), path: '/run/polyns/ns' },
    view([on('0:50 / /run/polyns/ns ro - tmpfs polyns:1000 ro')]),
    { outcome: 'left' },
  ],
  [
    'what a user mounted by fusermount',
    WITHOUT,
    view([on('0:50 / /srv/data rw - fuse.sshfs x:/ rw,user_id=1000,group_id=1000')]),
    { outcome: 'left', why: "fuse.sshfs x:/ is a mount of the user's own" },
  ],
  [
    'what root mounted by FUSE',
    WITHOUT,
    view([on('0:50 / /srv/data rw - fuse.sshfs x:/ rw,user_id=0,group_id=0')]),
    null,
  ],
  [
    'FUSE of a user that the host has as well',
    { table: table(ROOT, '60 28 0:50 / /srv/data rw - fuse.sshfs x:/ rw,user_id=1000'), path: '/srv/data' },
    view([on('0:50 / /srv/data rw - fuse.sshfs x:/ rw,user_id=1000')]),
    null,
  ],
  [
    'another directory of that name',
    HOST,
    view([SAME], { isSameParent: false }),
    { outcome: 'left', why: /another one there/ },
  ],
  [
    'on a root that is a peer of the host’s',
    HOST,
    { ...view([]), table: table(ROOT.replace('28 1', '128 90'), SAME) },
    { outcome: 'left', why: 'what is mounted there spreads to the host' },
  ],
]

for (const [what, host, seen, expected] of UMOUNT) {
  t.test(`umount: ${what}`, (t) => {
    const verdict = judgeUmount(host, seen)
    if (expected === null) t.equal(verdict, null)
    else t.match(verdict, expected)
    t.end()
  })
}
