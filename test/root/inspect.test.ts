/* polyns inspect looks at real sessions: what they lack of the host's view and why, what they have besides, and who they are. */
import t from 'tap'
import { installPolyns, PAM_LINE, POLYNS } from '../support/install.js'
import { plainStack } from '../support/logins.js'
import { needs } from '../support/needs.js'
import { sleep } from '../support/run.js'
import { Sandbox } from '../support/sandbox.js'

const skip = needs('root', 'layer', 'dist')

interface Inspected {
  pid: number
  tid: number | null
  user: string
  uid: number
  session: { id: string; user: string; service: string; pid: number; opened: string } | null
  sharedWith: { service: string; pid: number }[]
  namespace: { kind: string; user: string | null; uid: number | null; made: string | null }
  directories: { polydir: string; instance: string | null; state: string }[]
  differences: Difference[] | null
  unseen: string[]
}

interface Difference {
  kind: string
  path: string
  reason: string | null
  tree: string | null
  order: string | null
  below: number
  what: string
  why: string
  cures: { command: string }[]
}

async function inspect(box: Sandbox, pid: number | string, user?: string): Promise<Inspected> {
  const command = `${POLYNS} inspect ${pid} --json`
  return JSON.parse(await box.sh(command, { timeoutMs: 60_000, ...(user === undefined ? {} : { user }) }))
}

/** `missing /mnt/late`, of each. */
const kinds = (found: Inspected) => found.differences?.map(({ kind, path }) => `${kind} ${path}`)
const at = (found: Inspected, path: string) => found.differences?.find((d) => d.path === path)
const inside = (box: Sandbox, pid: number, command: string) =>
  box.run(['nsenter', '-t', `${pid}`, '-m', 'sh', '-c', command])

async function machine(): Promise<Sandbox> {
  const box = await Sandbox.start()
  await installPolyns(box)
  await box.pam('app', plainStack([PAM_LINE]))
  return box
}

t.test('a session from before the boot step, on a machine whose mounts are private', { skip }, async (t) => {
  await using box = await machine()
  await box.sh('mount --make-rprivate /')
  await box.write('/export/a/file', 'a\n')
  await box.write('/etc/auto.master', '/auto program:/etc/auto.export\n')
  await box.write('/etc/auto.export', '#!/bin/sh\necho "-fstype=bind :/export/$1"\n', 0o755)
  const automount = box.spawn(['setsid', '--wait', 'automount', '--foreground'])
  for (let i = 0; i < 600 && !box.mountinfo().some((line) => / \/auto .* - autofs /.test(line)); i++)
    await sleep(50)
  const held = await box.pamHold({ service: 'app', user: 'alice' }, { timeoutMs: 60_000 })
  const { pid } = held
  await box.sh(`${POLYNS} setup --share /auto; mkdir /mnt/late; mount -t tmpfs late /mnt/late`, {
    timeoutMs: 60_000,
  })

  await t.test('an automount and a later mount do not arrive, and why', async (t) => {
    t.equal((await box.sh('cat /auto/a/file')).trim(), 'a', 'the host has it')
    t.match((await inside(box, pid, 'cat /auto/a/file')).stderr, /Too many levels of symbolic links/)
    const found = await inspect(box, pid)
    t.match(found, {
      user: 'root',
      session: { user: 'alice', service: 'app', pid },
      namespace: { kind: 'polyns', user: 'alice', uid: 5001 },
      directories: [
        { polydir: '/tmp', instance: '/tmp/polyns-inst/alice', state: 'current' },
        { polydir: '/dev/shm', instance: '/dev/shm/polyns-inst/alice', state: 'current' },
      ],
      unseen: [],
    })
    t.match(at(found, '/auto'), { kind: 'autofs', reason: 'private-here', what: /Too many levels/ })
    t.match(at(found, '/auto/a'), { kind: 'missing', reason: 'private-here', tree: '/auto' })
    t.match(at(found, '/mnt/late'), {
      kind: 'missing',
      reason: 'private-here',
      tree: '/',
      order: 'after',
      why: /^Mounted on the host after this namespace was made, .* The root \/ is private here/,
      cures: [{ command: 'polyns mount /mnt/late' }],
    })
    const apart = Date.parse(found.namespace.made ?? '') - Date.parse(found.session?.opened ?? '')
    t.ok(Math.abs(apart) < 60_000, `made ${apart} ms from when it was opened`)
  })

  await t.test('what the session has of its own, and an instance that was deleted', async (t) => {
    await inside(box, pid, 'mkdir /mnt/own && mount -t tmpfs own /mnt/own')
    await box.sh('rm -r /tmp/polyns-inst/alice; mount -t tmpfs below /dev/shm/polyns-inst/alice')
    const found = await inspect(box, pid)
    t.match(at(found, '/mnt/own'), { kind: 'extra', reason: 'here', cures: [] })
    t.match(found.directories, [{ state: 'deleted' }, { state: 'current' }])
    const text = await box.sh(`${POLYNS} inspect ${pid}`, { timeoutMs: 60_000 })
    t.match(text, new RegExp(`^process ${pid} \\(.*, root \\(uid 0\\)$`, 'ms'))
    t.match(text, /^ {2}namespace +a private one of alice \(uid 5001\), made 2/m)
    t.match(text, /^ {2}\/tmp +\/tmp\/polyns-inst\/alice; it has been deleted/m)
    t.match(text, /^ {2}missing: \/mnt\/late \(tmpfs late\)$/m)
    t.match(text, /^ {6}polyns mount \/mnt\/late$/m)
    t.match(text, /^ {2}only here: \/mnt\/own \(tmpfs own\)$/m)
    const long = text.split('\n').filter((line) => line.length > 80 && !line.startsWith('process'))
    t.strictSame(long, [], 'in 80 columns')
    await box.sh('umount /dev/shm/polyns-inst/alice')
  })

  await held.close()
  await box.sh('kill $(pidof automount)')
  await automount.exited
})

t.test('on a machine that is set up', { skip }, async (t) => {
  await using box = await machine()
  await box.sh(`mount --make-rshared /; ${POLYNS} setup`, { timeoutMs: 60_000 })
  const opened = { service: 'app', user: 'bob', command: 'setsid -f sleep 1000 </dev/null >/dev/null 2>&1' }
  const held = await box.pamHold(opened, { timeoutMs: 60_000 })
  const other = await box.pamHold({ service: 'app', user: 'bob' }, { timeoutMs: 60_000 })
  const left = (await box.sh('pidof sleep')).trim()

  await t.test('a session lacks nothing, and another one shares its namespace', async (t) => {
    await box.sh('mkdir /mnt/late /tmp/in; mount -t tmpfs late /mnt/late; mount -t tmpfs in /tmp/in')
    const found = await inspect(box, held.pid)
    t.strictSame(
      kinds(found)?.filter((one) => !one.startsWith('private ')),
      [],
    )
    t.match(at(found, '/tmp/in'), { kind: 'private', what: /^hidden, as intended: \/tmp\/in/ })
    t.match(found.sharedWith, [{ service: 'app', pid: other.pid }])
    await inside(box, held.pid, 'umount /mnt/late')
    t.match(at(await inspect(box, held.pid), '/mnt/late'), { kind: 'missing', reason: 'unmounted-here' })
    const orphan = await inspect(box, left)
    t.match(orphan, { session: null, namespace: { user: 'bob' } }, 'a daemon has left its parent')
    t.strictSame(orphan.sharedWith.map(({ pid }) => pid).sort(), [held.pid, other.pid].sort())
    const exec = box.spawn(`exec ${POLYNS} exec -u carol -- sh -c 'sleep 1000 & echo $!; wait'`)
    const [, child] = await exec.waitFor(/^(\d+)\n/m, 60_000)
    t.match(await inspect(box, child ?? ''), { user: 'carol', session: { user: 'carol' }, sharedWith: [] })
    await box.sh(`kill ${child}`)
    await exec.exited
  })

  await t.test('a process that is left over from a session', async (t) => {
    await held.close()
    await other.close()
    t.match(await inspect(box, left), {
      session: null,
      namespace: { kind: 'polyns', user: 'bob' },
      directories: [
        { polydir: '/tmp', instance: '/tmp/polyns-inst/bob', state: 'current' },
        { polydir: '/dev/shm', instance: '/dev/shm/polyns-inst/bob', state: 'current' },
      ],
    })
  })

  await t.test('the host’s, another program’s, a root directory of its own, a thread', async (t) => {
    t.match(await inspect(box, 1), { session: null, namespace: { kind: 'host' }, differences: [] })
    const unshared = box.spawn(['unshare', '--mount', 'sh', '-c', 'mount -t tmpfs t /mnt; exec sleep 900'])
    const { pid } = await box.pidOf(unshared)
    for (let i = 0; i < 600 && !box.mountinfo(pid).some((line) => / \/mnt .* - tmpfs t/.test(line)); i++)
      await sleep(50)
    const found = await inspect(box, pid)
    t.match(found, { namespace: { kind: 'other' }, directories: [] })
    t.match(at(found, '/mnt'), { kind: 'extra', cures: [] })
    await box.end(unshared)
    await box.sh('mkdir /opt/root; mount --bind / /opt/root')
    const chrooted = box.spawn(['nsenter', '-t', left, '-m', 'chroot', '/opt/root', 'sleep', '900'])
    const inRoot = (await box.pidOf(chrooted)).pid
    for (let i = 0; i < 600 && (await box.sh(`readlink /proc/${inRoot}/root`)) === '/\n'; i++) await sleep(50)
    t.match(await inspect(box, inRoot), { namespace: { kind: 'polyns', user: 'bob' } })
    await box.end(chrooted)
    const node = box.spawn(['node', '-e', 'setInterval(() => {}, 1000)'])
    const first = (await box.pidOf(node)).pid
    const tids = async () => (await box.sh(`ls /proc/${first}/task`)).trim().split('\n')
    for (let i = 0; i < 600 && (await tids()).length < 2; i++) await sleep(50)
    const tid = Number((await tids()).at(-1))
    t.match(await inspect(box, tid), { pid: first, tid })
    await box.end(node)
  })

  await t.test('a mark of a user’s own making', { skip: needs('userns') }, async (t) => {
    const forge = 'mount -t tmpfs polyns:0 /run/polyns/ns && echo done; exec sleep 900'
    const forger = box.spawn(['unshare', '-Urm', 'sh', '-c', forge], { user: 'carol' })
    await forger.waitFor(/^done$/m, 60_000)
    const pid = Number((await box.sh('pgrep -x sleep -u carol')).trim())
    t.match(await inspect(box, pid), { namespace: { kind: 'other', user: null }, directories: [] })
    await box.end(forger)
  })

  await t.test('what cannot be looked at, and by whom', async (t) => {
    const run = (pid: number | string, user?: string) =>
      box.run(`exec ${POLYNS} inspect ${pid}`, { timeoutMs: 60_000, ...(user === undefined ? {} : { user }) })
    t.match(await run(999_999), { status: 1, stderr: /^polyns: process 999999: there is none/ })
    t.match(await run('1x'), { status: 2, stderr: /number of a process, not '1x'/ })
    t.match(await run(left, 'alice'), { status: 4, stderr: /inspecting process \d+: .* only root may/ })
    const own = await box.sh(`sh -c '${POLYNS} inspect $$'`, { user: 'alice', timeoutMs: 60_000 })
    t.match(own, /^process \d+ .*alice \(uid 5001\)$/ms)
    t.match(own, /^ {2}session +not known$.*^Could not be looked at$/ms)
    const parent = 'sleep 0.01 & echo $!; exec sleep 1000'
    const holder = box.spawn(['sh', '-c', parent])
    const [, zombie] = await holder.waitFor(/^(\d+)\n/m, 60_000)
    const isZombie = async () => /^State:\s*Z/m.test(await box.sh(`cat /proc/${zombie}/status`))
    for (let i = 0; i < 600 && !(await isZombie()); i++) await sleep(50)
    t.match(await run(zombie ?? ''), { status: 1, stderr: /it has ended, and its parent, process \d+/ })
    await box.end(holder)
  })

  await box.sh(`kill ${left}`)
})
