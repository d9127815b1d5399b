/* People log in by ssh and become others: what each of them sees. */
import type { Test } from 'tap'
import { NAMESPACE, type People, type Scene } from './phase.js'

interface Listed {
  id: string
  user: string
  service: string
  job: string | null
  namespace: string
}

export async function listed({ vm }: Scene): Promise<Listed[]> {
  const { sessions } = JSON.parse(await vm.sh('polyns list --json')) as { sessions: Listed[] }
  return sessions
}

export async function logins(t: Test, scene: Scene): Promise<People> {
  const { vm, host } = scene
  const alice = await vm.time('ssh alice', () => vm.hold('alice'))
  const bob = await vm.time('ssh bob', () => vm.hold('bob'))
  for (const [name, login] of Object.entries({ alice, bob })) {
    await login.run(`echo ${name} >/tmp/${name}; echo ${name} >/dev/shm/${name}`)
    t.equal(await login.run('ls -A /tmp'), `${name}\n`, `${name}: a /tmp of ${name}'s own`)
    t.equal(await login.run('ls -A /dev/shm'), `${name}\n`, `${name}: a /dev/shm of ${name}'s own`)
    t.equal(await vm.sh(`ls -d /tmp/${name} /dev/shm/${name} 2>/dev/null || true`), '', 'not on the host')
  }
  const own = await alice.run(NAMESPACE)
  t.not(own, await bob.run(NAMESPACE))
  t.not(own.trim(), host)
  const again = await vm.time('ssh alice, again', () => vm.as('alice', `${NAMESPACE}; cat /tmp/alice`))
  t.equal(again.stdout, `${own}alice\n`, `another login of alice's is in the same namespace ${again.stderr}`)

  const id = (await alice.run('echo $XDG_SESSION_ID')).trim()
  const sessions = await listed(scene)
  t.match(id, /^\w+$/)
  t.ok(
    sessions.some((s) => s.user === 'alice' && s.service === 'sshd' && s.id === id),
    `polyns list knows alice's login by logind's id, ${id}: ${JSON.stringify(sessions)}`,
  )
  t.match(await vm.sh('polyns list'), /^alice \(1000\)$/m)
  t.match(await vm.sh('polyns inspect $(pgrep -u alice -x bash | head -n 1)'), /session +\S+ of alice, sshd/)
  return { alice, bob }
}

export async function others(t: Test, scene: Scene, { alice, bob }: People): Promise<void> {
  const { vm, host } = scene
  const own = (await alice.run(NAMESPACE)).trim()
  const before = (await listed(scene)).length
  // The stack of su -l includes that of su: it has the line twice, or once.
  const becomes: [string, string][] = [
    [`sudo -n ${NAMESPACE}`, host],
    [`sudo -n -i ${NAMESPACE}`, host],
    [`su -c '${NAMESPACE}' 2>/dev/null <<<rootpw`, host],
    [`su - -c '${NAMESPACE}' 2>/dev/null <<<rootpw`, host],
    [`su - bob -c '${NAMESPACE}' 2>/dev/null <<<bobpw`, host],
    [NAMESPACE, own],
  ]
  for (const [command, seen] of becomes) t.equal((await alice.run(command)).trim(), seen, `alice: ${command}`)

  await t.test('su and su - without --global, where su -l runs the line of su and its own', async (t) => {
    await vm.sh(`cp -p /etc/pam.d/su /etc/pam.d/su-l /root/ && grep -v polyns /root/su-l >/etc/pam.d/su-l
      sed -i 's/ --global//' /etc/pam.d/su && grep polyns /etc/pam.d/su >>/etc/pam.d/su-l`)
    const bobs = await bob.run(NAMESPACE)
    for (const su of ['su', 'su -']) {
      const seen = await alice.run(`${su} bob -c '${NAMESPACE}; ls -A /tmp' 2>/dev/null <<<bobpw`)
      t.equal(seen, `${bobs}bob\n`, `${su} bob is in bob's namespace`)
    }
    await vm.sh('cp -p /root/su /root/su-l /etc/pam.d/ && rm /root/su /root/su-l')
  })
  t.equal((await listed(scene)).length, before, 'no session of these is left')

  await t.test('a daemon that alice restarts by sudo is in the host’s view', async (t) => {
    await alice.run('sudo -n systemctl restart ssh')
    t.equal(
      (await vm.sh('readlink /proc/$(systemctl show -P MainPID ssh)/ns/mnt')).trim(),
      host,
      'by systemctl',
    )
    await alice.run('sudo -n /usr/sbin/sshd -o PidFile=/run/vm-sshd.pid -p 2022')
    await vm.until('test -s /run/vm-sshd.pid')
    t.equal((await vm.sh('readlink /proc/$(cat /run/vm-sshd.pid)/ns/mnt')).trim(), host, 'by itself')
    await vm.sh('kill $(cat /run/vm-sshd.pid); rm -f /run/vm-sshd.pid')
    t.match(await vm.as('alice', 'cat /tmp/alice'), { stdout: 'alice\n' }, 'and logins go on as before')
  })

  await t.test('what the host mounts reaches the sessions, and its end too', async (t) => {
    await vm.sh('mkdir -p /mnt/vm && mount -t tmpfs vm /mnt/vm && touch /mnt/vm/there')
    for (const login of [alice, bob]) t.equal(await login.run('ls -A /mnt/vm'), 'there\n')
    await vm.sh('umount /mnt/vm')
    for (const login of [alice, bob]) t.equal(await login.run('ls -A /mnt/vm'), '')
    await vm.sh('rmdir /mnt/vm')
  })
}
