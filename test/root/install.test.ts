/*
 * polyns install on a Debian machine from a checkout: real logins by the stacks that it has written, and a machine that is what
 * it was after uninstall.
 */
import t from 'tap'
import { doctor } from '../support/doctor.js'
import { listing, OWN, polyns, stacks } from '../support/installed.js'
import { plainStack } from '../support/logins.js'
import { needs } from '../support/needs.js'
import { Sandbox } from '../support/sandbox.js'
import { Shell } from './shell.js'
import { settled } from './state.js'

const skip = needs('root', 'layer', 'dist')

t.test('install, logins, uninstall', { skip }, async (t) => {
  await using box = await Sandbox.start()
  const debian = (await box.read('/etc/pam.d/sshd')).trimEnd().split('\n')
  await box.startSshd()
  await box.pam('sshd', debian)
  await box.pam('slurm', plainStack([]))
  await box.ssh('alice', 'true') // what a first login makes is there
  await settled(box)
  const before = await listing(box)

  await t.test('--dry-run tells all and changes nothing', async (t) => {
    const { status, stdout, stderr } = await polyns(box, 'install', '--dry-run', '--trial-user', 'alice')
    t.match({ status, stderr }, { status: 0, stderr: '' })
    for (const service of ['sshd', 'login', 'su', 'sudo', 'sudo-i', 'cron', 'atd', 'systemd-user', 'slurm'])
      t.match(stdout, new RegExp(`^would +write /etc/pam.d/${service}\\b`, 'm'), service)
    t.match(stdout, /^skipped +polyns for su-l +# .*gets the line, which .*su-l:\d+ includes/m)
    t.match(stdout, /^skipped +write \/etc\/pam.d\/crond +# this machine has no such stack/m)
    t.match(stdout, /^\+session required pam_exec.so quiet seteuid \/usr\/sbin\/polyns pam --fail-open$/m)
    t.same(await listing(box), before)
  })

  await t.test('install tries logins, writes, and finds nothing wrong', async (t) => {
    const { status, stdout, stderr } = await polyns(box, 'install', '--trial-user', 'alice')
    t.match({ status, stderr }, { status: 0, stderr: '' })
    t.match(stdout, /^done +log in as alice and root by sshd, .*copies of the stacks/m)
    t.match(stdout, /^done +log in as alice and root by sshd, .*the stacks in \/etc\/pam.d/m)
    t.match(stdout, /\n0 errors, .*\nKeep this shell open.*\n'polyns uninstall' takes everything back.\n$/)
    t.equal(
      await box.sh('ls -A /tmp/polyns-inst /dev/shm/polyns-inst | grep -v : || :'),
      '\n',
      'the trial left no instance',
    )
    const { found } = await doctor(box)
    const about = found.filter(
      ({ id, severity }) => /^(pam|launcher)/.test(id) && severity !== 'ok' && severity !== 'note',
    )
    t.same(about, [], 'doctor has nothing to say of the lines')
  })

  await t.test('two users who log in by ssh do not see each other’s files', async (t) => {
    for (const user of ['alice', 'bob'])
      t.equal((await box.ssh(user, `ls -A /tmp; echo ${user} >/tmp/f; cat /tmp/f`)).stdout, `${user}\n`)
    t.equal((await box.ssh('alice', 'cat /tmp/f')).stdout, 'alice\n', 'and find their own again')
    t.equal(await box.sh('ls -A /tmp'), 'polyns-inst\n')
  })

  await t.test('sudo and su lead to the host', async (t) => {
    const alice = await Shell.open(box, 'alice')
    const host = box.mntNs()
    t.not(alice.mntNs, host)
    t.equal((await alice.run('sudo readlink /proc/self/ns/mnt')).trim(), host)
    t.equal((await alice.run('sudo -i readlink /proc/self/ns/mnt')).trim(), host)
    t.equal((await alice.run('sudo su -l -c "readlink /proc/self/ns/mnt" bob')).trim(), host)
    await alice.close()
    await settled(box)
  })

  await t.test('a second install has nothing to do', async (t) => {
    const files = await listing(box)
    const { status, stdout } = await polyns(box, 'install')
    t.equal(status, 0)
    t.match(stdout, /^nothing to do: everything is installed$/m)
    t.notMatch(stdout, /^done/m)
    t.same(await listing(box), files)
  })

  await t.test('uninstall gives the machine back, and names what users have left', async (t) => {
    const dry = await polyns(box, 'uninstall', '--dry-run')
    t.match(dry, { status: 0, stdout: /^would +cp -a .* \/etc\/pam.d\/sshd/m })
    const { status, stdout, stderr } = await polyns(box, 'uninstall')
    t.match({ status, stderr }, { status: 0, stderr: '' })
    t.match(stdout, /^skipped +rmdir \/tmp\/polyns-inst +# users' files are in .*\/tmp\/polyns-inst\/alice/m)
    t.equal(await box.sh('cat /tmp/polyns-inst/alice/f'), 'alice\n')
    await box.sh('rm -r /tmp/polyns-inst /dev/shm/polyns-inst')
    t.same(await listing(box), before)
    t.equal((await box.ssh('alice', 'readlink /proc/self/ns/mnt')).stdout.trim(), box.mntNs(), 'logins go on')
    t.match(await polyns(box, 'uninstall'), { status: 0, stdout: /^nothing to do/ })
  })
})

t.test('by pam-auth-update', { skip }, async (t) => {
  await using box = await Sandbox.start()
  const debian = (await box.read('/etc/pam.d/sshd')).trimEnd().split('\n')
  await box.sh('pam-auth-update --package') // once: it writes the files anew in its own way
  await box.startSshd()
  await box.pam('sshd', debian)
  await box.ssh('alice', 'true')
  await settled(box)
  const bytes = () =>
    box.sh('cd /etc/pam.d && sha256sum *; ls /usr/share/pam-configs /usr/sbin | grep polyns || :')
  const before = await bytes()
  const { status, stdout, stderr } = await polyns(
    box,
    'install',
    '--pam-auth-update',
    '--trial-user',
    'alice',
  )
  t.match({ status, stderr }, { status: 0, stderr: '' })
  t.match(stdout, /^done +pam-auth-update --package/m)
  t.match(stdout, /^skipped +polyns for cron +# \/etc\/pam.d\/common-session.* gets the line/m)
  const common = await box.read('/etc/pam.d/common-session')
  t.equal(common.match(/polyns pam --unmnt-remnt/g)?.length, 1)
  t.equal((await box.ssh('alice', 'ls -A /tmp; echo x >/tmp/f')).stdout, '')
  const alice = await Shell.open(box, 'alice')
  t.not(alice.mntNs, box.mntNs())
  t.equal(
    (await alice.run('sudo readlink /proc/self/ns/mnt')).trim(),
    box.mntNs(),
    'sudo to root is on the host',
  )
  await alice.close()
  await settled(box)
  t.match(await polyns(box, 'uninstall', '--dry-run', '--purge'), {
    stdout: /^would +rm -r \/tmp\/polyns-inst\/alice/m,
  })
  t.match(await polyns(box, 'uninstall', '--purge'), {
    status: 0,
    stdout: /^done +rm -r \/tmp\/polyns-inst\/alice/m,
  })
  t.equal(await bytes(), before)
  t.match(await box.run('ls -d /tmp/polyns-inst /run/polyns /var/lib/polyns /etc/polyns'), {
    status: 2,
    stdout: '',
  })
})

t.test('what was changed since stays, without the line', { skip }, async (t) => {
  await using box = await Sandbox.start()
  const before = await stacks(box)
  t.match(await polyns(box, 'install', '--pam', 'su,cron', '--trial-user', 'alice'), { status: 0 })
  const own = 'session optional pam_permit.so'
  await box.sh(`echo '${own}' >>/etc/pam.d/cron; echo '# mine' >>/etc/polyns/namespace.conf`)
  const { status, stdout } = await polyns(box, 'uninstall')
  t.equal(status, 0)
  t.match(
    stdout,
    /^done +sed .* \/etc\/pam.d\/cron +# it was changed since the install: only this line goes/m,
  )
  t.match(stdout, /^skipped +rm \/etc\/polyns\/namespace.conf +# it was changed since the install; --purge/m)
  t.match(await box.read('/etc/pam.d/cron'), new RegExp(`\\n${own}\\n$`))
  t.notMatch(await box.sh('cat /etc/pam.d/*'), /polyns/)
  t.match(await box.read('/etc/polyns/namespace.conf'), /# mine/)
  const lines = (text: string) => text.split('\n').filter((line) => !/ cron$|^total/.test(line))
  t.same(
    lines(await stacks(box)),
    lines(before),
    'all other stacks are what they were, with owner, mode and time',
  )
})

t.test('the program stays while a stack calls it', { skip }, async (t) => {
  await using box = await Sandbox.start()
  t.match(await polyns(box, 'install', '--pam', 'su', '--trial-user', 'alice'), { status: 0 })
  await box.sh('echo "session required pam_exec.so quiet seteuid /usr/sbin/polyns pam" >>/etc/pam.d/cron')
  t.match(await polyns(box, 'uninstall'), { status: 1, stdout: /^blocked +rm .*cron:\d+ still calls it/m })
  t.match(await box.run(`readlink /usr/sbin/polyns`), { stdout: `${OWN}\n` })
  await box.sh('sed -i /polyns/d /etc/pam.d/cron')
  t.match(await polyns(box, 'uninstall'), { status: 0 })
  t.match(await box.run('ls -d /usr/sbin/polyns /var/lib/polyns /run/polyns'), { status: 2, stdout: '' })
})
