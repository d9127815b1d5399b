/* All log out; what they leave is removed; then polyns itself. */
import type { Test } from 'tap'
import { difference, type Listing, listing } from '../listing.js'
import { listed } from './people.js'
import { NAMESPACE, type People, type Scene } from './phase.js'

export async function logouts(t: Test, scene: Scene, { alice }: People): Promise<void> {
  const { vm } = scene
  const instances = 'ls -A /tmp/polyns-inst /dev/shm/polyns-inst'
  const gone = (user: string) => `! loginctl show-user ${user} && ! pgrep -u ${user}`
  await vm.write('/etc/default/polyns', 'POLYNS_REAP_OPTIONS=--idle 0s\n')
  await vm.sh('loginctl enable-linger alice')
  await alice.close()
  await vm.until(gone('bob'), { seconds: 90, why: 'pgrep -au bob' })
  await vm.until(`! polyns list --json | grep -q '"service":"sshd"'`, { seconds: 90, why: 'polyns list' })
  t.match(
    await listed(scene),
    [{ user: 'alice', service: 'systemd-user' }],
    'alice lingers: her manager goes on',
  )
  await vm.time('reap', () => vm.sh('systemctl start polyns-reap.service'))
  t.match(await vm.sh(instances), /^alice$/m, 'so her directories stay')

  await vm.sh('loginctl disable-linger alice')
  await vm.until(gone('alice'), { seconds: 90, why: 'pgrep -au alice' })
  await vm.sh('systemctl start polyns-reap.service')
  t.equal(await vm.sh(instances), '/dev/shm/polyns-inst:\n\n/tmp/polyns-inst:\n', 'then they go')
  t.strictSame(await listed(scene), [])
  await vm.sh('rm /etc/default/polyns')
}

export async function removes(t: Test, scene: Scene, before: Listing): Promise<void> {
  const { vm, host } = scene
  const uninstalled = await vm.time('uninstall', () => vm.root('polyns uninstall', { timeoutMs: 300_000 }))
  vm.keep('uninstall.txt', uninstalled.stdout + uninstalled.stderr)
  t.match(uninstalled, { status: 0 }, `polyns uninstall ${uninstalled.stderr}`)
  const purged = await vm.time('purge', () => vm.root('dpkg --purge polyns', { timeoutMs: 300_000 }))
  vm.keep('purge.txt', purged.stdout + purged.stderr)
  t.match(purged, { status: 0 }, `dpkg --purge ${purged.stderr}`)
  t.strictSame(
    difference(before, await listing(vm)),
    [],
    '/etc, the mount table and /run are as before the install',
  )
  t.equal(await vm.sh('ls -d /usr/lib/polyns /usr/sbin/polyns /var/lib/polyns 2>/dev/null || true'), '')
  const login = await vm.as('alice', NAMESPACE)
  t.equal(login.stdout.trim(), host, `alice logs in, and sees what the host sees ${login.stderr}`)
}
