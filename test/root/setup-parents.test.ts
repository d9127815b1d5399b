/* polyns setup and the directories it is about: instance parents made, repaired or refused, polydirs skipped or refused. */
import t from 'tap'
import { needs } from '../support/needs.js'
import { machine, ok, setup } from './setup.js'

const skip = needs('root', 'layer', 'dist')

t.test('instance parents', { skip }, async (t) => {
  await using box = await machine('/tmp /inst/ user:noinit root\n')
  const look = () => box.sh('stat -c "%a %U:%G %F" /inst; getfacl -cps /inst')
  const GOOD = '0 root:root directory\n'

  for (const [what, make, line] of [
    ['the wrong mode', 'mkdir -m 1777 /inst', 'chmod 000 /inst'],
    ['the wrong group', 'mkdir -m 000 /inst; chgrp alice /inst', 'chgrp root /inst'],
    ['an ACL', 'mkdir -m 000 /inst; setfacl -m u:alice:rwx /inst', 'setfacl -b /inst'],
    ['a default ACL', 'mkdir -m 000 /inst; setfacl -dm u:alice:rwx /inst', 'setfacl -b /inst'],
  ] as const) {
    await t.test(`one that root owns, with ${what}, is repaired`, async (t) => {
      await box.sh(make)
      const before = await look()
      t.not(before, GOOD)
      t.ok((await ok(t, box, '--dry-run')).includes(`would    ${line}`))
      t.equal(await look(), before)
      t.ok((await ok(t, box)).includes(`done     ${line}`))
      t.equal(await look(), GOOD)
      await ok(t, box, '--undo')
      await box.sh('rmdir /inst')
    })
  }

  await t.test('a missing one comes without what the directory above would give it', async (t) => {
    await box.write('/etc/polyns/namespace.conf', '/tmp /above/inst/ user:noinit root\n')
    await box.sh('mkdir -m 2755 /above; chgrp alice /above; setfacl -dm u:alice:rwx /above')
    await ok(t, box)
    t.equal(
      await box.sh('stat -c "%a %U:%G %F" /above/inst; getfacl -cps /above/inst'),
      '0 root:root directory\n',
    )
    await ok(t, box, '--undo')
    await box.write('/etc/polyns/namespace.conf', '/tmp /inst/ user:noinit root\n')
  })

  for (const [what, make, status, why] of [
    ['one that a user owns', 'mkdir -m 000 /inst; chown alice: /inst', 5, /\/inst.*belongs to uid 5001/],
    ['a symbolic link', 'mkdir -m 000 /else; ln -s /else /inst', 5, /\/inst: is a symbolic link/],
    ['a dangling one', 'ln -s /nowhere /inst', 5, /\/inst: is a symbolic link/],
    ['a file', 'touch /inst', 5, /\/inst: is not a directory but a file/],
    ['a FIFO', 'mkfifo /inst', 5, /\/inst: is not a directory but a fifo/],
  ] as const) {
    await t.test(`${what} is refused, and nothing is done`, async (t) => {
      await box.sh(make)
      const before = await box.snapshot()
      const stat = await box.sh('stat -c "%a %U:%G %F" /inst')
      t.match(await setup(box), { status, stdout: /^$/, stderr: why })
      t.match(await setup(box, '--dry-run'), { status, stderr: why })
      t.same((await box.snapshot()).mounts, before.mounts)
      t.equal(await box.sh('stat -c "%a %U:%G %F" /inst'), stat)
      await box.sh('rm -rf /inst /else')
    })
  }

  for (const [what, make, why] of [
    ["in a user's directory", 'mkdir /x; chown alice: /x', /\/x: a user can rename what is in it/],
    ['in a directory that a group can write to', 'mkdir -m 775 /x', /\/x: a user can rename/],
    ['further below one', 'mkdir -m 777 /x; mkdir /x/y; mkdir -m 000 /x/y/inst', /\/x: a user can rename/],
    ['more than one missing', 'true', /ENOENT/],
  ] as const) {
    await t.test(`${what} it is refused`, async (t) => {
      await box.sh(make)
      const deep = (await box.run('test -d /x/y')).status === 0
      await box.write('/etc/polyns/namespace.conf', `/tmp ${deep ? '/x/y' : '/x'}/inst/ user:noinit root\n`)
      const before = await box.snapshot()
      t.match(await setup(box), {
        status: what === 'more than one missing' ? 1 : 5,
        stdout: /^$/,
        stderr: why,
      })
      t.same((await box.snapshot()).mounts, before.mounts)
      await box.sh('rm -rf /x')
    })
  }
})

t.test('polydirs', { skip }, async (t) => {
  await using box = await machine('/scratch /scratch/inst/ user:create:noinit root\n')

  await t.test('one that is not there is skipped, and its instance parent too', async (t) => {
    const before = box.mountinfo()
    const lines = await ok(t, box)
    t.match(lines.filter((line) => line.startsWith('skipped')).length, 3)
    t.match(
      lines.join('\n'),
      /mount --bind --make-private \/scratch \/scratch +# it is not there; the flag create/,
    )
    t.same(box.mountinfo(), before)
    t.match(await box.run('ls -d /scratch'), { status: 2 })
  })

  for (const [what, make, why] of [
    ['a symbolic link', 'ln -s /etc /scratch', /\/scratch: is a symbolic link/],
    ['a file', 'touch /scratch', /\/scratch: is not a directory but a file/],
  ] as const) {
    await t.test(`${what} is refused`, async (t) => {
      await box.sh(make)
      const before = box.mountinfo()
      t.match(await setup(box), { status: 5, stdout: /^$/, stderr: why })
      t.same(box.mountinfo(), before)
      await box.sh('rm /scratch')
    })
  }
})
