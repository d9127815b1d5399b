/* The parts of the demo that decide and draw: which way in, why not, and what it looks like. test/root/demo.test.ts runs it. */
import t from 'tap'
import { type Facts, subordinatesLacking, waysIn } from '../../../src/cli/demo/enclose.js'
import { drawFact, drawTable, fold, usesUtf8 } from '../../../src/cli/demo/picture.js'
import { isMapped } from '../../../src/cli/demo/world.js'
import { userNamespacesBlockedBy } from '../../../src/sys/probe.js'

const plain = { utf8: false, color: false }

t.test('the ways in', async (t) => {
  const range = 'bob:100000:65536\ncarol:165536:65536\n'
  const carol: Facts = { uid: 5003, name: 'carol', subuid: range, subgid: range, hasNewuidmap: true }
  const ways = (facts: Partial<Facts>) =>
    waysIn({ ...carol, ...facts }).map(({ flags, oneUid }) => [
      flags.filter((flag) => ['--user', '--map-auto'].includes(flag)).join(' '),
      oneUid,
    ])

  t.same(
    ways({}),
    [
      ['--user --map-auto', null],
      ['--user', null],
    ],
    'with subordinate ids two uids, and where that fails one',
  )
  t.same(
    ways({ uid: 0, name: 'root' }),
    [
      ['', null],
      ['--user', 'no subordinate uids for root in /etc/subuid'],
    ],
    'root needs no user namespace, where it has its rights',
  )
  t.same(ways({ subuid: '' }), [['--user', 'no subordinate uids for carol in /etc/subuid']])

  for (const [what, facts, lacking] of [
    ['a range by name', {}, null],
    ['a range by uid', { subuid: '5003:1:65536' }, null],
    ['no group range', { subgid: 'bob:100000:65536' }, 'no subordinate gids for carol in /etc/subgid'],
    ['a short range', { subuid: 'carol:1:60602' }, 'only 60602 subordinate uids for carol in /etc/subuid'],
    ['nonsense', { subuid: 'carol\ncarol:x:y\n' }, 'no subordinate uids for carol in /etc/subuid'],
    ['no newuidmap', { hasNewuidmap: false }, 'newuidmap and newgidmap (package uidmap) are not installed'],
  ] as const) {
    t.equal(subordinatesLacking({ ...carol, ...facts }), lacking, what)
  }
})

t.test('what refuses user namespaces', async (t) => {
  const machine: Record<string, string> = {
    '/proc/sys/user/max_user_namespaces': '96365',
    '/proc/self/uid_map': '0 0 4294967295',
    '/proc/self/mountinfo': '20 1 0:20 / / rw - ext4 /dev/sda rw\n',
    '/proc/self/status': 'Seccomp:\t0\n',
  }
  const blocked = (changed: Record<string, string | null>, refusal: 'EPERM' | 'ENOSPC' = 'EPERM') => {
    const files = { ...machine, ...changed }
    return userNamespacesBlockedBy(refusal, (path) => files[path] ?? null)
  }
  t.match(blocked({ '/proc/sys/user/max_user_namespaces': '0' }, 'ENOSPC'), {
    because: 'user.max_user_namespaces is 0',
    remedy: /^sysctl -w user.max_user_namespaces=/,
  })
  t.match(blocked({ '/proc/sys/kernel/unprivileged_userns_clone': '0' }), {
    because: 'kernel.unprivileged_userns_clone is 0',
    remedy: 'sysctl -w kernel.unprivileged_userns_clone=1',
  })
  t.match(blocked({ '/proc/sys/kernel/apparmor_restrict_unprivileged_userns': '1' }), {
    because: 'kernel.apparmor_restrict_unprivileged_userns is 1',
    remedy: 'sysctl -w kernel.apparmor_restrict_unprivileged_userns=0',
  })
  t.match(blocked({}, 'ENOSPC'), { because: /limit of user.max_\*_namespaces is reached/ })
  t.match(blocked({ '/proc/self/uid_map': null }), { because: /CONFIG_USER_NS/, remedy: null })
  t.match(blocked({ '/proc/self/mountinfo': '20 1 0:20 / /tmp rw - ext4 x rw\n' }), { because: /chroot/ })
  t.match(blocked({ '/proc/self/status': 'Seccomp:\t2\n' }), { because: /seccomp filter/ })
  t.match(blocked({}), { because: /no setting known/, remedy: null })
})

t.test('which ids a user namespace knows', async (t) => {
  const map = '         0       1000          1\n         1     100000      65536\n'
  t.same(
    [0, 1, 65536, 65537].map((id) => isMapped(map, id)),
    [true, true, true, false],
  )
  t.equal(isMapped('', 0), false)
})

t.test('the table', async (t) => {
  const rows = [
    { label: '/tmp', cells: [['a.txt', 'b.txt', 'somewhat-longer.txt'], ['b.txt'], []] },
    { label: 'namespace', cells: [['1'], ['2'], ['3']] },
  ]
  t.equal(
    drawTable(['alice', 'bob', 'the host'], rows, plain),
    `
+-----------+---------------------+---------------------+---------------------+
|           | alice               | bob                 | the host            |
+-----------+---------------------+---------------------+---------------------+
| /tmp      | a.txt  b.txt        | b.txt               | (empty)             |
|           | somewhat-longer.txt |                     |                     |
| namespace | 1                   | 2                   | 3                   |
+-----------+---------------------+---------------------+---------------------+
`.slice(1),
  )
  const drawn = drawTable(['a', 'b', 'c'], rows, { utf8: true, color: true })
  t.match(drawn, /^┌─{11}┬─{21}┬/)
  const plainly = drawn.replaceAll('\x1b[0m', '').replaceAll('\x1b[1m', '')
  t.not(plainly, drawn, 'the heading is bold')
  t.same(
    [
      ...new Set(
        plainly
          .trimEnd()
          .split('\n')
          .map((line) => [...line].length),
      ),
    ],
    [79],
  )
})

t.test('the lines', async (t) => {
  t.equal(drawFact(true, 'it holds', 'this', plain), 'ok it holds\n')
  t.equal(drawFact(false, 'it holds', 'that', plain), 'NO it holds\n   but it was that\n')
  t.match(drawFact(true, 'it holds', '', { utf8: true, color: true }), '\x1b[32m✓\x1b[0m it holds\n')
  const text = fold('word '.repeat(40).trim())
  t.ok(text.split('\n').every((line) => line.length <= 79))
  t.equal(text.replaceAll('\n', ' '), 'word '.repeat(40).trim(), 'folding loses nothing')
})

t.test('the character set follows the locale', async (t) => {
  t.equal(usesUtf8({ LANG: 'de_DE.UTF-8' }), true)
  t.equal(usesUtf8({ LANG: 'C.utf8', LC_ALL: '' }), true)
  t.equal(usesUtf8({ LANG: 'de_DE.UTF-8', LC_ALL: 'C' }), false)
  t.equal(usesUtf8({}), false)
})
