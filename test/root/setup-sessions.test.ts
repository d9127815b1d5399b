/* polyns setup and --undo under sessions that run: what is theirs stays, whichever comes first. */
import t from 'tap'
import { PAM_LINE } from '../support/install.js'
import { needs } from '../support/needs.js'
import { INITS, LAYOUTS, machine, nothingToDo, ok, table } from './setup.js'
import { Shell } from './shell.js'

const skip = needs('root', 'layer', 'dist')
t.setTimeout(400_000) // many machines, one after the other

t.test('sessions keep their /tmp, whenever setup and --undo run', { skip }, async (t) => {
  await using box = await machine('/tmp /tmp/polyns-inst/ user:noinit root\n')
  await box.startSshd({ pamLines: [PAM_LINE] })
  await ok(t, box)
  await ok(t, box, '--undo')
  const early = await Shell.open(box, 'alice')
  await early.run('echo early >/tmp/mine')
  const namespace = early.mntNs
  await ok(t, box)
  t.equal(await early.run('cat /tmp/mine; ls -A /tmp'), 'early\nmine\n', 'set up under a running session')
  const late = await Shell.open(box, 'bob')
  await late.run('echo late >/tmp/mine')
  await ok(t, box, '--undo')
  t.equal(await early.run('cat /tmp/mine; ls -A /tmp'), 'early\nmine\n', 'taken back')
  t.equal(await late.run('cat /tmp/mine; ls -A /tmp'), 'late\nmine\n', 'under one that began after it, too')
  await ok(t, box)
  t.equal(await early.run('cat /tmp/mine'), 'early\n')
  t.equal(await late.run('cat /tmp/mine'), 'late\n')
  t.equal(early.mntNs, namespace)
  await box.sh('mkdir /mnt/new; mount -t tmpfs new /mnt/new')
  t.match(await early.run('grep -c /mnt/new /proc/self/mountinfo'), /^1$/m, 'and mounts of the host arrive')
  await early.close()
  await late.close()
  await box.sh('umount /mnt/new')
})

const CONFIG = `/tmp /tmp/polyns-inst/ user:noinit root
/dev/shm /dev/shm/polyns-inst/ user:noinit root
`

for (const [init, makeInit] of Object.entries(INITS)) {
  for (const [layout, makeLayout] of Object.entries(LAYOUTS)) {
    t.test(`${layout}, ${init}: before, after and again`, { skip, timeout: 110_000 }, async (t) => {
      await using box = await machine(CONFIG)
      await box.sh(`${makeLayout}; ${makeInit}`)
      await box.startSshd({ pamLines: [PAM_LINE] })
      const before = table(box)
      const owns = async (shell: Shell, when: string) => {
        const seen = await shell.run('cat /tmp/mine /dev/shm/mine; ls -A /tmp /dev/shm')
        t.equal(seen, `${shell.pid}\n${shell.pid}\n/dev/shm:\nmine\n\n/tmp:\nmine\n`, when)
      }
      const login = async (user: string) => {
        const shell = await Shell.open(box, user)
        await shell.run('echo $$ >/tmp/mine; echo $$ >/dev/shm/mine')
        return shell
      }

      const early = await login('alice')
      t.strictSame(table(box), before, 'a session changes nothing on the host')
      await ok(t, box)
      await owns(early, 'set up under a session')
      const late = await login('bob')
      await nothingToDo(t, box)
      await owns(late, 'a second run under both')
      await ok(t, box, '--undo')
      t.strictSame(table(box), before, '--undo gives back the table while sessions run')
      await owns(early, 'its /tmp lives on')
      await owns(late, 'and that of the one that began after setup')
      await ok(t, box)
      await nothingToDo(t, box)
      await owns(early, 'set up once more')
      await owns(late, 'for both')
      await early.close()
      await late.close()
      await ok(t, box, '--undo')
      t.strictSame(table(box), before)
    })
  }
}
