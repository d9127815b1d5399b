/* A newer package over the old one, while people are logged in and others log in. */
import type { Test } from 'tap'
import { NAMESPACE, type People, type Scene } from './phase.js'

export async function upgrades(t: Test, scene: Scene, { alice }: People): Promise<void> {
  const { vm, host } = scene
  await vm.copyIn(await vm.repack(scene.deb, '999.0'), '/root/newer.deb')
  const before = await vm.sh('cat /etc/pam.d/* | sha256sum')
  const own = await alice.run(NAMESPACE)

  const seen: string[] = []
  let isOver = false
  const logins = (async () => {
    while (!isOver) {
      const { status, stdout } = await vm.as('bob', NAMESPACE)
      seen.push(status === 0 ? stdout.trim() : 'refused')
    }
  })()
  const upgrade = await vm.time('upgrade', () => vm.root('dpkg -i /root/newer.deb', { timeoutMs: 300_000 }))
  isOver = true
  await logins
  t.match(upgrade, { status: 0 }, `dpkg -i ${upgrade.stderr}`)
  t.comment(`logins meanwhile: ${seen.join(' ')}`)
  t.notOk(seen.includes(host), 'a login meanwhile is private, or refused')

  t.match(await vm.sh('dpkg -s polyns'), /^Status: install ok installed\n(.*\n)*Version: 999\.0$/m)
  t.equal(await vm.sh('cat /etc/pam.d/* | sha256sum'), before, 'no PAM stack has changed')
  t.equal(await alice.run('cat /tmp/alice'), 'alice\n', 'the open session goes on')
  const login = await vm.as('alice', `${NAMESPACE}; cat /tmp/alice`)
  t.equal(login.stdout, `${own}alice\n`, `a new one joins it ${login.stderr}`)
}
