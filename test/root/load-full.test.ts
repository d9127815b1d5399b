/*
 * Full file systems: where instances lie, and /run. Who needs room is refused and told which, nothing is left half, sessions
 * that are open end, and reap makes room. Once there is some, logins work without any repair.
 */
import t from 'tap'
import { remains } from '../support/crowd.js'
import { installPolyns, PAM_LINE, POLYNS } from '../support/install.js'
import { plainStack } from '../support/logins.js'
import { needs } from '../support/needs.js'
import { Sandbox } from '../support/sandbox.js'
import { lastLogged, wasRefused } from './state.js'

const skip = needs('root', 'layer', 'dist')

async function machine(config: string): Promise<Sandbox> {
  const box = await Sandbox.start()
  await installPolyns(box, config)
  await box.pam('app', plainStack([PAM_LINE]))
  return box
}
const open = (box: Sandbox, user: string) => box.pamApp({ service: 'app', user })
const reap = async (box: Sandbox, options = '') =>
  JSON.parse(await box.sh(`${POLYNS} reap --json ${options}`)) as {
    removed: { path: string }[]
    kept: { path: string; why: string }[]
    left: { path: string; why: string }[]
  }

// Loop devices are the machine's; the kernel frees one by itself when its last mount goes.
const LOOP = `mknod /dev/loop-control c 10 237; for i in {0..63}; do mknod /dev/loop$i b 7 $i; done
  truncate -s 1M /dev/shm/image`
const ON_LOOP = 'mount -o loop /dev/shm/image /mnt/disk'

for (const [what, mount, fill] of [
  ['a tmpfs without an inode left', 'mount -t tmpfs -o size=1m,nr_inodes=20 disk /mnt/disk', 'inodes'],
  [
    'an ext4 without a block left',
    `${LOOP}; mkfs.ext4 -q -b 1024 -m 0 -O ^has_journal /dev/shm/image; ${ON_LOOP}`,
    'blocks',
  ],
  [
    'an ext4 without an inode left',
    `${LOOP}; mkfs.ext4 -q -b 1024 -m 0 -N 32 -O ^has_journal /dev/shm/image; ${ON_LOOP}`,
    'inodes',
  ],
] as const) {
  t.test(`instances on ${what}`, { skip, timeout: 120_000 }, async (t) => {
    await using box = await machine('/tmp /mnt/disk/inst/ user:noinit root\n')
    await box.sh(`mkdir /mnt/disk; ${mount}`)
    const bob = await box.pamHold({
      service: 'app',
      user: 'bob',
      command: 'echo >/tmp/file; touch /tmp/{1..4}',
    })
    t.equal(bob.report.open, 0)
    const take =
      fill === 'inodes'
        ? 'touch /mnt/disk/fill/{1..64}'
        : 'cat /dev/zero >/mnt/disk/fill/zero; mkdir /mnt/disk/fill/{1..99}'
    t.match(await box.run(`mkdir /mnt/disk/fill; ${take}`), { stderr: /No space left/ })
    await open(box, 'alice') // makes her lock
    const before = await box.snapshot()

    t.same(...wasRefused(await open(box, 'alice')))
    t.match(
      await lastLogged(box),
      /of alice: refused: .*\/mnt\/disk\/inst.*ENOSPC \(no space left on device\)/,
    )
    t.same(await box.snapshot(), before)
    t.equal(await box.sh('ls -A /mnt/disk/inst'), 'bob\n', 'nothing is left half done')
    t.match(await open(box, 'bob'), { open: 0, close: 0 }, 'who has a directory already gets in')
    t.match(await bob.close(), { close: 0 })
    t.match(await reap(box), { removed: [{ path: '/mnt/disk/inst/bob' }], left: [] })
    t.match(await open(box, 'alice'), { open: 0, close: 0 }, 'and that has made room')
    t.same(await remains(box), [])
  })
}

t.test('instances on a tmpfs without a byte left', { skip }, async (t) => {
  await using box = await machine('/tmp /mnt/disk/inst/ user:noinit root\n')
  await box.sh(
    'mkdir /mnt/disk; mount -t tmpfs -o size=64k disk /mnt/disk; cat /dev/zero >/mnt/disk/fill || true',
  )
  const { open, command } = await box.pamApp({ service: 'app', user: 'alice', command: 'echo >/tmp/file' })
  t.equal(open, 0, 'a directory takes none: the login works')
  t.match(
    command,
    { status: 1, stderr: /No space left|I\/O error/ },
    'and the user hears it from what he does',
  )
})

for (const [what, fill, refusal] of [
  ['a byte', 'cat /dev/zero >/run/polyns/fill', /\/run\/polyns\/sessions\/5001-\S+json.*ENOSPC/],
  [
    'an inode',
    'mkdir /run/polyns/fill; touch /run/polyns/fill/{1..100}',
    /\/run\/polyns\/lock\/5001.*ENOSPC/,
  ],
] as const) {
  t.test(`a /run without ${what} left`, { skip, timeout: 120_000 }, async (t) => {
    const config = '/tmp /tmp/inst/ user:noinit root\n/var/tmp /var/tmp/inst/ tmpdir:noinit ~carol\n'
    await using box = await machine(config)
    const ours = ['/var/tmp/inst']
    await box.sh('mkdir /run/polyns; mount -t tmpfs -o size=64k,nr_inodes=40,mode=755 run /run/polyns')
    const bob = await box.pamHold({ service: 'app', user: 'bob' })
    const carol = await box.pamHold({ service: 'app', user: 'carol' })
    t.same([bob.report.open, carol.report.open], [0, 0])
    t.match(await box.run(fill), { stderr: /No space left/ })
    await open(box, 'alice') // makes her lock, where that takes no room
    const before = await box.snapshot()

    t.same(...wasRefused(await open(box, 'alice')))
    t.match(await lastLogged(box), refusal)
    t.same(await box.snapshot(), before)
    t.match(await box.run(`${POLYNS} list`), { status: 0, stdout: /bob/ })

    const refill = (but = 'true') =>
      box.sh(`${but}; mkdir -p /run/polyns/fill 2>/dev/null; ${fill.replace('>', '>>')} 2>/dev/null || true`)
    t.match(await bob.close(), { close: 0 }, 'a session that is open ends')
    await refill()
    t.match(await carol.close(), { close: 0 }, 'and one with a directory of its own')
    await refill('rm /run/polyns/lock/5002')
    const ended = await reap(box, '--idle 1h') // drops carol's record, which leaves room
    await refill()
    const idle = await reap(box, '--idle 1h')
    t.match(idle.left, [{ path: '/run/polyns/idle.json', why: /ENOSPC/ }], 'nothing can be remembered')
    const { removed, kept } = await reap(box)
    const noLock = kept.filter(({ path }) => path === '/tmp/inst/bob').map(({ why }) => why)
    t.match(noLock, what === 'an inode' ? [/lock\/5002.*ENOSPC/] : [], 'whoever cannot be locked stays')
    const all = [...ended.removed, ...idle.removed, ...removed].map(({ path }) =>
      path.replace(/[0-9a-f]{8}$/, ''),
    )
    const gone = ['/tmp/inst/carol', '/var/tmp/inst/', ...(what === 'an inode' ? [] : ['/tmp/inst/bob'])]
    t.same(
      gone.filter((path) => !all.includes(path)),
      [],
      'the others go',
    )
    t.same(await remains(box, ours), [], 'and what closing has left')

    await box.sh('rm -r /run/polyns/fill')
    t.match(await open(box, 'alice'), { open: 0, close: 0 }, 'logins work without any repair')
    t.match(await open(box, 'carol'), { open: 0, close: 0 })
    t.same(await remains(box, ours), [])
  })
}
