/*
 * Debian's automounter, real: a program map that bind-mounts, on the host of the sessions. A path that is first looked at in
 * a session is mounted for everybody, and expires for everybody; on a private tree it fails, and what cures that.
 */
import t from 'tap'
import { installPolyns, PAM_LINE, POLYNS } from '../support/install.js'
import { needs } from '../support/needs.js'
import { type Running, sleep } from '../support/run.js'
import { Sandbox } from '../support/sandbox.js'
import { Shell } from './shell.js'

const skip = needs('root', 'layer', 'dist')
const LIMIT_MS = 30_000
const EXPIRES_AFTER_S = 2

/** A machine with /export/NAME for each name, which automount brings to /auto/NAME. */
async function machine(names: readonly string[]): Promise<Sandbox> {
  const box = await Sandbox.start()
  await installPolyns(box)
  await box.startSshd({ pamLines: [PAM_LINE] })
  for (const name of names) await box.write(`/export/${name}/file`, `${name}\n`)
  await box.write('/etc/auto.master', `/auto program:/etc/auto.export --timeout=${EXPIRES_AFTER_S}\n`)
  await box.write(
    '/etc/auto.export',
    '#!/bin/sh\n[ -d "/export/$1" ] && echo "-fstype=bind :/export/$1"\n',
    0o755,
  )
  return box
}

async function startAutomount(box: Sandbox): Promise<Running> {
  // It hands its process group to the kernel, which must be one of this pid namespace.
  const automount = box.spawn(['setsid', '--wait', 'automount', '--foreground'])
  const isThere = () => box.mountinfo().some((line) => / \/auto .* - autofs /.test(line))
  if (!(await soon(isThere))) throw new Error(`no automounter: ${automount.stderr}`)
  return automount
}

/** It unmounts what it has mounted. */
async function stopAutomount(box: Sandbox): Promise<void> {
  await box.sh('pkill -TERM -x automount')
  await soon(() => !box.processes().some(({ command }) => command.includes('automount')))
}

async function soon(isSo: () => boolean): Promise<boolean> {
  for (const until = Date.now() + LIMIT_MS; Date.now() < until; await sleep(50)) if (isSo()) return true
  return isSo()
}

/** Which of the automounter's mounts a process (a pid inside) sees. */
const mounted = (box: Sandbox, pid = 1) =>
  box.mountinfo(pid).flatMap((line) => / (\/auto\/\S+) /.exec(line)?.[1] ?? [])

t.test('on a machine whose / is shared', { skip }, async (t) => {
  await using box = await machine(['inside', 'outside', 'kept'])
  await box.sh(`${POLYNS} setup`)
  await startAutomount(box)
  const alice = await Shell.open(box, 'alice')
  const bob = await Shell.open(box, 'bob')
  t.not(alice.mntNs, bob.mntNs)
  const everywhere = () => [mounted(box, alice.pid), mounted(box, bob.pid), mounted(box)]

  await t.test(
    'what is triggered in a session appears in another one and on the host, and expires',
    async (t) => {
      t.strictSame(everywhere(), [[], [], []])
      t.equal(await alice.run('cat /auto/inside/file'), 'inside\n')
      t.strictSame(everywhere(), [['/auto/inside'], ['/auto/inside'], ['/auto/inside']])
      t.equal(await bob.run('cat /auto/inside/file'), 'inside\n')
      t.ok(await soon(() => everywhere().flat().length === 0), 'and is gone everywhere')
      t.strictSame(everywhere(), [[], [], []])
      t.equal(await bob.run('cat /auto/inside/file'), 'inside\n', 'and comes again')
    },
  )

  await t.test('what is triggered on the host appears in the sessions, and expires', async (t) => {
    t.equal(await box.sh('cat /auto/outside/file'), 'outside\n')
    t.ok(everywhere().every((points) => points.includes('/auto/outside')))
    t.equal(await alice.run('cat /auto/outside/file'), 'outside\n')
    t.ok(await soon(() => everywhere().flat().length === 0), 'and is gone everywhere')
  })

  await t.test('what a session sits in does not expire for it', async (t) => {
    t.equal(await alice.run('cd /auto/kept && cat file'), 'kept\n')
    await box.sh('cat /auto/inside/file')
    t.ok(await soon(() => !mounted(box).includes('/auto/inside')), 'while others expire')
    t.equal(await alice.run('cat file'), 'kept\n')
    await alice.run('cd /')
    t.ok(await soon(() => everywhere().flat().length === 0))
  })

  await t.test('a session that was opened while something was mounted loses it too', async (t) => {
    await box.sh('cat /auto/inside/file')
    const carol = await Shell.open(box, 'carol')
    t.ok(await soon(() => mounted(box, carol.pid).length === 0))
    t.equal(await carol.run('cat /auto/outside/file'), 'outside\n')
    await carol.close()
  })

  await t.test('a name that the map does not know is an ordinary error', async (t) => {
    t.match(await alice.run('cat /auto/nope/file'), /No such file or directory/)
  })
  await alice.close()
  await bob.close()
  await stopAutomount(box)
})

t.test('on a machine whose / is private', { skip }, async (t) => {
  await using box = await machine(['one', 'two'])
  await box.sh('mount --make-rprivate /')
  await startAutomount(box)
  const before = await Shell.open(box, 'alice')

  await t.test('a session cannot trigger anything', async (t) => {
    t.match(await before.run('cat /auto/one/file'), /Too many levels of symbolic links/)
    t.equal(await box.sh('cat /auto/one/file'), 'one\n', 'though the host can')
    t.match(await before.run('cat /auto/one/file'), /Too many levels of symbolic links/)
  })

  await t.test('polyns mount brings one mount to it', async (t) => {
    const r = await box.run(`${POLYNS} mount /auto/one`)
    t.match(r, { status: 0, stdout: /^mounted +alice /m })
    t.equal(await before.run('cat /auto/one/file'), 'one\n')
    t.match(await box.run(`${POLYNS} umount /auto/one`), { status: 0, stdout: /^unmounted +alice /m })
    t.strictSame(mounted(box, before.pid), [])
  })

  await t.test('polyns setup --share of that tree cures it for sessions that come', async (t) => {
    await box.sh(`${POLYNS} setup --keep-root --share /auto`)
    const after = await Shell.open(box, 'bob')
    t.equal(await after.run('cat /auto/two/file'), 'two\n')
    t.ok(mounted(box).includes('/auto/two'), 'and the host has it')
    t.match(await before.run('cat /auto/two/file'), /Too many levels/, 'not for one that was open')
    t.ok(
      await soon(() => mounted(box).length + mounted(box, after.pid).length === 0),
      'and it expires in both',
    )
    await after.close()
  })
  await before.close()
  await stopAutomount(box)
})
