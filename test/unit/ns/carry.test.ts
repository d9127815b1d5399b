/*
 * Moving files out of a directory that others write to. Who exchanges a name while it is moved does so at a chosen moment here:
 * the trace of calls tells when. What needs a second user, or mounts, is in test/root/carry.test.ts.
 */
import { execFileSync } from 'node:child_process'
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import {
  CARRY_LIMITS,
  type CarryLimits,
  carryFiles,
  placeCarried,
  takeCarried,
} from '../../../src/ns/carry.js'
import { traceCalls } from '../../../src/sys/call.js'
import { O } from '../../../src/sys/flags.js'
import { openat2 } from '../../../src/sys/path.js'

const uid = process.geteuid?.() ?? 0

interface Dirs {
  from: string
  to: string
  /** Carries `krb5cc_*` unless told otherwise. */
  carry(patterns?: string[], limits?: Partial<CarryLimits>): { moved: string[]; notes: string[] }
}

function dirs(t: Test, otherFileSystem: boolean): Dirs {
  const from = t.testdir({ real: {}, private: {} })
  const to = otherFileSystem ? mkdtempSync('/dev/shm/polyns-test-') : join(from, 'private')
  if (otherFileSystem) t.teardown(() => rmSync(to, { recursive: true }))
  return {
    from: join(from, 'real'),
    to,
    carry(patterns = ['krb5cc_*'], limits = {}) {
      using real = openat2(null, join(from, 'real'), O.O_PATH | O.O_DIRECTORY, 0)
      using own = openat2(null, to, O.O_PATH | O.O_DIRECTORY, 0)
      const notes: string[] = []
      const moved = carryFiles(real, own, patterns, uid, notes, { ...CARRY_LIMITS, ...limits })
      return { moved, notes }
    },
  }
}

/** Runs `act` once, right after the `count`th call whose trace matches. */
function after(t: Test, pattern: RegExp, count: number, act: () => void) {
  let left = count
  traceCalls((line) => {
    if (!pattern.test(line) || --left !== 0) return
    traceCalls(undefined)
    act()
  })
  t.teardown(() => traceCalls(undefined))
}

const inode = (path: string) => lstatSync(path).ino
const old = (path: string) => utimesSync(path, 1000, 1000)

const otherDevice = existsSync('/dev/shm') && statSync('/dev/shm').dev !== statSync('.').dev

for (const [where, isOther] of [
  ['on one file system', false],
  ['to another file system', true],
] as const) {
  t.test(
    where,
    { skip: isOther && !otherDevice ? 'needs a file system of its own in /dev/shm' : false },
    (t) => {
      t.test('what matches is moved, and nothing else', (t) => {
        const { from, to, carry } = dirs(t, isOther)
        writeFileSync(join(from, 'krb5cc_1'), 'ticket', { mode: 0o600 })
        writeFileSync(join(from, 'krb5cc_empty'), '', { mode: 0o600 })
        writeFileSync(join(from, 'other'), 'x')
        utimesSync(join(from, 'krb5cc_1'), 1234.5, 1234.5)
        const { moved, notes } = carry()
        t.same(moved.sort(), ['krb5cc_1', 'krb5cc_empty'])
        t.same(notes, [])
        t.same(readdirSync(from), ['other'])
        t.same(readdirSync(to).sort(), ['krb5cc_1', 'krb5cc_empty'])
        t.equal(readFileSync(join(to, 'krb5cc_1'), 'utf8'), 'ticket')
        t.equal(readFileSync(join(to, 'krb5cc_empty'), 'utf8'), '')
        const stat = statSync(join(to, 'krb5cc_1'))
        t.match(stat, { uid, nlink: 1, mtimeMs: 1234500 })
        t.equal(stat.mode & 0o7777, 0o600)
        t.end()
      })

      t.test('a name without wildcards is found without a look around', (t) => {
        const { from, carry } = dirs(t, isOther)
        writeFileSync(join(from, 'ticket'), '')
        t.same(carry(['missing', 'ticket', '../private', 'a/b'], { entries: 0 }), {
          moved: ['ticket'],
          notes: [],
        })
        t.end()
      })

      t.test('what is no plain file of one name stays, with a note', (t) => {
        const { from, to, carry } = dirs(t, isOther)
        writeFileSync(join(from, 'file'), 'x')
        linkSync(join(from, 'file'), join(from, 'krb5cc_hard'))
        symlinkSync('file', join(from, 'krb5cc_link'))
        symlinkSync('nowhere', join(from, 'krb5cc_dangling'))
        mkdirSync(join(from, 'krb5cc_dir'))
        execFileSync('mkfifo', [join(from, 'krb5cc_fifo')])
        const before = readdirSync(from)
        const { moved, notes } = carry()
        t.same(moved, [])
        t.same(notes.sort(), [
          'krb5cc_dangling: is not a plain file but a symlink; it stays',
          'krb5cc_dir: is not a plain file but a directory; it stays',
          'krb5cc_fifo: is not a plain file but a fifo; it stays',
          'krb5cc_hard: has 2 names (hard links); it stays',
          'krb5cc_link: is not a plain file but a symlink; it stays',
        ])
        t.same(readdirSync(from), before)
        t.same(readdirSync(to), [])
        t.end()
      })

      t.test('a file of that name in the private directory', (t) => {
        t.test('is replaced when it is older', (t) => {
          const { from, to, carry } = dirs(t, isOther)
          writeFileSync(join(to, 'krb5cc_1'), 'old')
          old(join(to, 'krb5cc_1'))
          writeFileSync(join(from, 'krb5cc_1'), 'new')
          t.same(carry(), { moved: ['krb5cc_1'], notes: [] })
          t.equal(readFileSync(join(to, 'krb5cc_1'), 'utf8'), 'new')
          t.same(readdirSync(to), ['krb5cc_1'])
          t.same(readdirSync(from), [])
          t.end()
        })
        t.test('stays when it is newer', (t) => {
          const { from, to, carry } = dirs(t, isOther)
          writeFileSync(join(to, 'krb5cc_1'), 'new')
          writeFileSync(join(from, 'krb5cc_1'), 'old')
          old(join(from, 'krb5cc_1'))
          t.match(carry(), { moved: [], notes: [/^krb5cc_1: stays: the one in .* is newer$/] })
          t.equal(readFileSync(join(to, 'krb5cc_1'), 'utf8'), 'new')
          t.equal(readFileSync(join(from, 'krb5cc_1'), 'utf8'), 'old')
          t.same(readdirSync(to), ['krb5cc_1'])
          t.end()
        })
        t.test('stays when it is no file', (t) => {
          const { from, to, carry } = dirs(t, isOther)
          writeFileSync(join(from, 'krb5cc_1'), 'a')
          writeFileSync(join(from, 'krb5cc_2'), 'b')
          mkdirSync(join(to, 'krb5cc_1'))
          symlinkSync('/etc/passwd', join(to, 'krb5cc_2'))
          const { moved, notes } = carry()
          t.same(moved, [])
          t.match(notes.sort(), [/^krb5cc_1: stays: .*krb5cc_1 is a directory$/, /is a symlink$/])
          t.same(readdirSync(from).sort(), ['krb5cc_1', 'krb5cc_2'])
          t.ok(lstatSync(join(to, 'krb5cc_2')).isSymbolicLink())
          t.end()
        })
        t.end()
      })

      t.test('there are limits', (t) => {
        const { from, to, carry } = dirs(t, isOther)
        for (let i = 0; i < 10; i++) writeFileSync(join(from, `krb5cc_${i}`), '')
        const some = carry(undefined, { files: 4 })
        t.equal(some.moved.length, 4)
        t.same(some.notes, ['6 more files match than the 4 that are taken; they stay'])
        const fewer = carry(undefined, { entries: 3 })
        t.equal(fewer.moved.length, 3)
        t.same(fewer.notes, ['more than 3 entries; what comes after them is not looked at'])
        t.equal(readdirSync(from).length, 3)
        t.equal(readdirSync(to).length, 7)
        t.end()
      })
      t.end()
    },
  )
}

t.test('to another file system', { skip: !otherDevice ? 'needs /dev/shm' : false }, (t) => {
  t.test('what is too big stays', (t) => {
    const { from, to, carry } = dirs(t, true)
    writeFileSync(join(from, 'krb5cc_1'), 'x'.repeat(101))
    writeFileSync(join(from, 'krb5cc_2'), 'x'.repeat(100))
    t.same(carry(undefined, { bytes: 100 }), {
      moved: ['krb5cc_2'],
      notes: ['krb5cc_1: stays: it holds 101 bytes, more than are copied'],
    })
    t.same(readdirSync(from), ['krb5cc_1'])
    t.same(readdirSync(to), ['krb5cc_2'])
    t.end()
  })
  t.test('what is written to meanwhile stays', (t) => {
    const { from, to, carry } = dirs(t, true)
    const path = join(from, 'krb5cc_1')
    writeFileSync(path, 'x')
    after(t, /^openat2\(.*\.polyns-carry\./, 1, () => writeFileSync(path, 'xy'))
    t.same(carry(), { moved: [], notes: ['krb5cc_1: stays: it was written to while it was copied'] })
    t.equal(readFileSync(path, 'utf8'), 'xy')
    t.same(readdirSync(to), [], 'and no half copy is left')
    t.end()
  })
  t.test('what takes the place of a file that has been copied stays', (t) => {
    const { from, to, carry } = dirs(t, true)
    const path = join(from, 'krb5cc_1')
    writeFileSync(path, 'first')
    writeFileSync(join(from, 'second'), 'second')
    after(t, /^openat2\(.*\.polyns-carry\./, 1, () => renameSync(join(from, 'second'), path))
    const { notes } = carry()
    t.match(notes, [/^krb5cc_1: has been copied, and another file of that name is left in /])
    t.equal(readFileSync(join(to, 'krb5cc_1'), 'utf8'), 'first')
    t.equal(readFileSync(path, 'utf8'), 'second')
    t.end()
  })
  t.end()
})

t.test('a name that is exchanged between the last look and the move', (t) => {
  const kinds: Record<string, (path: string, from: string) => void> = {
    'a symlink': (path) => symlinkSync('/etc/passwd', path),
    'a directory': (path) => mkdirSync(path),
    'a fifo': (path) => execFileSync('mkfifo', [path]),
    'has 2 names': (path, from) => linkSync(join(from, 'linked'), path),
  }
  for (const [what, make] of Object.entries(kinds)) {
    for (const isTaken of [false, true]) {
      t.test(`for ${what}${isTaken ? ', where it replaces a file' : ''}: all is put back`, (t) => {
        const { from, to, carry } = dirs(t, false)
        const path = join(from, 'krb5cc_1')
        writeFileSync(path, 'good')
        writeFileSync(join(from, 'linked'), 'linked')
        make(join(from, 'bad'), from)
        const [good, bad] = [inode(path), inode(join(from, 'bad'))]
        if (isTaken) {
          writeFileSync(join(to, 'krb5cc_1'), 'old')
          old(join(to, 'krb5cc_1'))
        }
        // Looks at the name: as a candidate, before the move, and once more when it is taken.
        after(t, /^statx\(.*krb5cc_1'/, isTaken ? 4 : 2, () => {
          renameSync(path, join(from, 'aside'))
          renameSync(join(from, 'bad'), path)
        })
        const { moved, notes } = carry()
        t.same(moved, [])
        t.equal(notes.length, 1)
        t.match(notes[0] ?? '', 'was exchanged while it was moved: it ')
        t.match(notes[0] ?? '', what)
        t.equal(inode(path), bad)
        t.equal(inode(join(from, 'aside')), good)
        t.same(readdirSync(to), isTaken ? ['krb5cc_1'] : [])
        if (isTaken) t.equal(readFileSync(join(to, 'krb5cc_1'), 'utf8'), 'old')
        t.end()
      })
    }
  }

  t.test('and whose place is taken: it gets another name', (t) => {
    const { from, to, carry } = dirs(t, false)
    const path = join(from, 'krb5cc_1')
    writeFileSync(path, 'good')
    mkdirSync(join(from, 'bad'))
    traceCalls((line) => {
      if (/^statx\(.*krb5cc_1'/.test(line) && existsSync(join(from, 'bad')) && ++looks === 2) {
        renameSync(path, join(from, 'aside'))
        renameSync(join(from, 'bad'), path)
      }
      if (/^renameat2\(/.test(line) && !existsSync(path)) writeFileSync(path, 'third')
    })
    let looks = 0
    const { moved, notes } = carry()
    traceCalls(undefined)
    t.same(moved, [])
    const [, as = 'none'] = /has been put back as (polyns-not-carried\.\w+)$/.exec(notes[0] ?? '') ?? []
    t.ok(lstatSync(join(from, as)).isDirectory())
    t.same(readdirSync(to), [])
    t.equal(readFileSync(path, 'utf8'), 'third')
    t.equal(readFileSync(join(from, 'aside'), 'utf8'), 'good')
    t.end()
  })

  t.test('for another good file: that one is moved', (t) => {
    const { from, to, carry } = dirs(t, false)
    const path = join(from, 'krb5cc_1')
    writeFileSync(path, 'first')
    writeFileSync(join(from, 'second'), 'second')
    after(t, /^statx\(.*krb5cc_1'/, 2, () => renameSync(join(from, 'second'), path))
    t.same(carry(), { moved: ['krb5cc_1'], notes: [] })
    t.equal(readFileSync(join(to, 'krb5cc_1'), 'utf8'), 'second')
    t.end()
  })

  t.test('for nothing: there is nothing to move', (t) => {
    const { from, carry } = dirs(t, false)
    writeFileSync(join(from, 'krb5cc_1'), 'x')
    after(t, /^statx\(.*krb5cc_1'/, 2, () => rmSync(join(from, 'krb5cc_1')))
    t.same(carry(), { moved: [], notes: [] })
    t.end()
  })
  t.end()
})

t.test('placing', (t) => {
  t.test('works on the directories that were taken, wherever their paths lead now', (t) => {
    const { from, to } = dirs(t, false)
    writeFileSync(join(from, 'krb5cc_1'), 'x')
    using real = openat2(null, from, O.O_PATH | O.O_DIRECTORY, 0)
    using own = openat2(null, to, O.O_PATH | O.O_DIRECTORY, 0)
    using carried = takeCarried(real, own, from, ['krb5cc_*'])
    renameSync(from, `${from}.away`)
    mkdirSync(from)
    const notes: string[] = []
    t.same(placeCarried(carried, uid, notes), ['krb5cc_1'])
    t.same(notes, [])
    t.same(readdirSync(to), ['krb5cc_1'])
    t.end()
  })
  t.test('makes a bounded number of notes, and never throws', (t) => {
    const { from, to } = dirs(t, false)
    for (let i = 0; i < 100; i++) symlinkSync('x', join(from, `krb5cc_${i}`))
    using real = openat2(null, from, O.O_PATH | O.O_DIRECTORY, 0)
    using own = openat2(null, to, O.O_PATH | O.O_DIRECTORY, 0)
    const notes: string[] = []
    using carried = takeCarried(real, own, '/tmp', ['krb5cc_*'])
    t.same(placeCarried(carried, uid, notes), [])
    t.equal(notes.length, CARRY_LIMITS.notes + 1)
    t.match(notes[0] ?? '', /^carry= of \/tmp: krb5cc_\d+: is not a plain file but a symlink; it stays$/)
    t.equal(notes.at(-1), 'carry= of /tmp: 92 more notes like these')
    using nowhere = takeCarried(real, null, join(from, 'missing'), ['krb5cc_*'])
    t.same(placeCarried(nowhere, uid, notes), [])
    t.match(notes.at(-1) ?? '', /^carry= of .*missing: .*ENOENT/)
    t.end()
  })
  t.end()
})
