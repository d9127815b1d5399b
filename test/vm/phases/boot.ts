/* The boot after the install. */
import type { Test } from 'tap'
import { inOrder, type Scene } from './phase.js'

export async function boots(t: Test, scene: Scene): Promise<void> {
  const { vm } = scene
  t.equal(await vm.sh('systemctl is-active polyns-setup.service polyns-reap.timer'), 'active\nactive\n')
  const failed = await vm.sh('systemctl --failed --plain --no-legend')
  t.equal(failed, '', 'no unit has failed')
  const cycles = await vm.sh(
    "journalctl -b --no-pager | grep -iE 'ordering cycle|job .* deleted to break' || true",
  )
  t.equal(cycles, '', 'no ordering cycle')

  const stopped = await vm.sh("journalctl -b -1 --no-pager | grep 'Stopping polyns-setup' || true")
  t.equal(stopped, '', 'the shutdown has not taken the boot step back, which would only make it longer')

  const show = async (property: string, unit: string) =>
    Number(await vm.sh(`systemctl show -P ${property} ${unit}`))
  const finished = await show('ActiveEnterTimestampMonotonic', 'polyns-setup')
  t.ok(finished > 0)
  for (const unit of ['systemd-logind', 'ssh', 'cron', 'atd']) {
    const started = await show('ExecMainStartTimestampMonotonic', unit)
    t.ok(finished < started, `the boot step is over (${finished}) before ${unit} starts (${started})`)
  }
  t.ok(
    finished < (await show('ActiveEnterTimestampMonotonic', 'systemd-user-sessions')),
    'and before logins are allowed',
  )
  vm.keep(
    'critical-chain.txt',
    await vm.sh('systemd-analyze critical-chain --no-pager; systemd-analyze blame --no-pager | head'),
  )
  await inOrder(t, scene, 'after the boot')
}
