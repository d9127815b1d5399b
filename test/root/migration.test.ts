/*
 * docs/migration.md: a machine with pam_namespace (the one that Debian ships) is changed over to polyns while a user is logged
 * in, and back. The configuration stays where it is; nobody loses a file.
 */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { PAM_LINE, POLYNS } from '../support/install.js'
import { plainStack } from '../support/logins.js'
import { needs } from '../support/needs.js'
import { Sandbox } from '../support/sandbox.js'
import { Shell } from './shell.js'

const skip = needs('root', 'layer', 'dist')

const DOCUMENT = readFileSync(new URL('../../docs/migration.md', import.meta.url), 'utf8')
const MODULE = 'session required pam_namespace.so'
const ALICE_BY_HASH = '6384e2b2184bcbf58eccf10ca7a6563c' // md5 of 'alice'

async function machine(): Promise<Sandbox> {
  const box = await Sandbox.start()
  await box.sh(`ln -s /opt/polyns/bin/polyns ${POLYNS}; mkdir -m 000 /tmp/tmp-inst /dev/shm/inst`)
  const lines = '/tmp /tmp/tmp-inst/ user:noinit root\n/dev/shm /dev/shm/inst/ user:noinit root\n'
  await box.write('/etc/security/namespace.conf', lines)
  await box.startSshd({ pamLines: [MODULE] })
  return box
}

const setLine = (box: Sandbox, line: string) => box.sh(['sed', '-i', `$s#.*#${line}#`, '/etc/pam.d/sshd'])
const MARK = 'findmnt -no SOURCE /run/polyns/ns'

t.test('from pam_namespace to polyns and back, with a user logged in', { skip }, async (t) => {
  await using box = await machine()
  const old = await Shell.open(box, 'alice')
  await old.run('echo before >/tmp/f; echo before >/dev/shm/f')

  const check = await box.run('polyns check')
  t.match(check, { status: 0, stdout: /^\/etc\/security\/namespace\.conf \(compat\): ok\n/, stderr: '' })
  await box.sh('polyns setup')
  t.equal(await old.run('cat /tmp/f'), 'before\n', 'the boot step takes nothing from the old session')

  await setLine(box, PAM_LINE)
  const now = await box.ssh('alice', `cat /tmp/f /dev/shm/f; echo since >>/tmp/f; ${MARK}`)
  t.equal(
    now.stdout,
    'before\nbefore\npolyns:5001\n',
    'her files are in the private directory of the new session',
  )
  t.equal(await old.run('cat /tmp/f'), 'before\nsince\n', 'and both sessions have the same directory')

  await t.test('su out of the old session', async (t) => {
    await box.ssh('bob', 'echo bob >/tmp/b')
    await box.pam('su', plainStack([`${PAM_LINE} --global`]))
    t.match(await box.run('su bob -c "ls -A /tmp"'), { status: 0, stdout: 'tmp-inst\n' })
    await box.sh('echo "alice ALL=(ALL) NOPASSWD: ALL" >/etc/sudoers.d/alice; chmod 440 /etc/sudoers.d/alice')
    await box.pam('sudo', plainStack([`${PAM_LINE} --global`]))
    t.equal(await old.run('sudo ls -A /tmp'), 'tmp-inst\n', 'sudo with --global is on the host')
    await box.pam('su', plainStack([PAM_LINE]))
    t.equal(await old.run('su bob -c "ls -A /tmp"'), '', 'su without it: bob has an empty directory')
    t.equal(await box.sh('ls -A /tmp/tmp-inst/alice/tmp-inst'), 'bob\n', 'inside of hers')
    await box.sh('rm -r /tmp/tmp-inst/alice/tmp-inst')
  })

  await setLine(box, MODULE)
  await box.sh('polyns setup --undo')
  const back = await box.ssh('alice', `cat /tmp/f; ls -A /dev/shm; ${MARK}`)
  t.match(back, { status: 1, stdout: 'before\nsince\nf\n' }, 'back: the same files, and no mark')
  await old.close()
})

t.test('gen_hash names the same instance in both', { skip }, async (t) => {
  await using box = await machine()
  await setLine(box, `${MODULE} gen_hash`)
  await box.ssh('alice', 'echo hashed >/tmp/f')
  await setLine(box, `${PAM_LINE} --gen-hash`)
  t.equal((await box.ssh('alice', 'cat /tmp/f')).stdout, 'hashed\n')
  t.equal(await box.sh('ls -A /tmp/tmp-inst'), `${ALICE_BY_HASH}\n`)
})

t.test('both lines in one stack', { skip }, async (t) => {
  await using box = await machine()
  await box.ssh('alice', 'echo hers >/tmp/f')
  await setLine(box, `${MODULE}\\n${PAM_LINE}`)
  t.equal((await box.ssh('alice', 'ls -A /tmp')).stdout, '', 'she is not in her directory')
  t.match(
    (await box.run('polyns doctor')).stdout,
    /^error {4}pam-namespace: \/etc\/pam\.d\/sshd:4: pam_namespace\.so$/m,
  )
})

t.test('what polyns check says of the lines in the document', { skip }, async (t) => {
  await using box = await machine()
  const block = (start: string) => DOCUMENT.split(/^```\n/m).find((text) => text.startsWith(start)) ?? ''
  const command = '$ polyns check old.conf\n'
  await box.write('/root/old.conf', block('/tmp      '))
  const check = await box.run('polyns check old.conf', { cwd: '/root' })
  t.equal(command + check.stderr, block(command))
  t.match(check, { status: 3, stdout: '' })
})
