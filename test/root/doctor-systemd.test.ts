/*
 * Doctor's findings about what systemd does on its own, in a sandbox that looks as if systemd ran it. systemd-tmpfiles is the
 * real one; logind is not there, so of its mend the file is looked at, and that it would be restarted.
 */
import { existsSync } from 'node:fs'
import t from 'tap'
import { findingsOf, mends } from '../support/doctor.js'
import { installPolyns, POLYNS } from '../support/install.js'
import { needs } from '../support/needs.js'
import { Sandbox } from '../support/sandbox.js'

const skip = needs('root', 'layer', 'dist')
const noTmpfiles = existsSync('/usr/bin/systemd-tmpfiles') ? false : 'needs systemd-tmpfiles'

async function machine(): Promise<Sandbox> {
  const box = await Sandbox.start()
  await installPolyns(box)
  await box.sh(`${POLYNS} setup; mkdir -p /run/systemd/system`)
  await box.write('/usr/local/sbin/systemctl', '#!/bin/sh\necho "$*" >>/run/systemctl.log\n', 0o755)
  return box
}

t.test('systemd-tmpfiles', { skip }, async (t) => {
  await using box = await machine()
  const line = 'q /tmp 1777 root root 0'

  await t.test('deletes in the instances, until it is told not to', { skip: noTmpfiles }, async (t) => {
    const make = 'install -d -m 1777 /tmp/polyns-inst/alice; echo mine >/tmp/polyns-inst/alice/file'
    await box.sh(make)
    await mends(t, box, {
      id: 'tmpfiles',
      severity: 'warning',
      break: `echo '${line}' >/etc/tmpfiles.d/site.conf; systemd-tmpfiles --clean; ! test -e /tmp/polyns-inst/alice/file`,
      saw: /^\/etc\/tmpfiles\.d\/site\.conf:1: 'q \/tmp \.\.\. 0' reaches into \/tmp\/polyns-inst$/,
    })
    await box.sh('polyns setup')
    await box.sh(make)
    await box.sh('systemd-tmpfiles --clean')
    t.equal(await box.read('/tmp/polyns-inst/alice/file'), 'mine\n')
    await box.sh('rm /etc/tmpfiles.d/*.conf')
  })

  await t.test('a line of the same name in /etc counts in place of the vendor’s', async (t) => {
    await mends(t, box, {
      id: 'tmpfiles',
      severity: 'warning',
      break: 'mkdir -p /run/tmpfiles.d; echo "d /dev/shm 1777 root root 1d" >/run/tmpfiles.d/shm.conf',
      saw: /^\/run\/tmpfiles\.d\/shm\.conf:1: .* reaches into \/dev\/shm\/polyns-inst$/,
    })
    await box.sh('rm /etc/tmpfiles.d/polyns-site.conf')
    t.match(await findingsOf(box, 'tmpfiles'), [{ saw: /shm/ }], 'it was that')
    await box.sh('ln -s /dev/null /etc/tmpfiles.d/shm.conf')
    t.strictSame(await findingsOf(box, 'tmpfiles'), [])
  })
})

t.test('tmpreaper and tmpwatch', { skip }, async (t) => {
  await using box = await machine()
  await mends(t, box, {
    id: 'tmp-cleaners',
    severity: 'warning',
    break: `echo 'tmpreaper 7d /tmp/.' >/etc/cron.daily/tmpreaper; echo TMPREAPER_TIME=7d >/etc/tmpreaper.conf`,
    saw: /^\/etc\/cron\.daily\/tmpreaper reaches into \/tmp\/polyns-inst$/,
    by: `echo "TMPREAPER_PROTECT_EXTRA='/tmp/polyns-inst /tmp/polyns-inst/**'" >>/etc/tmpreaper.conf`,
  })
  await mends(t, box, {
    id: 'tmp-cleaners',
    severity: 'warning',
    break: `echo '/usr/sbin/tmpwatch 10d /tmp' >/etc/cron.daily/tmpwatch`,
    saw: /^\/etc\/cron\.daily\/tmpwatch reaches/,
    by: `echo '/usr/sbin/tmpwatch -x /tmp/polyns-inst 10d /tmp' >/etc/cron.daily/tmpwatch`,
  })
})

t.test('RemoveIPC= of logind', { skip }, async (t) => {
  await using box = await machine()
  await box.sh(
    'mkdir -p /etc/systemd/logind.conf.d; printf "[Login]\\nRemoveIPC=no\\n" >/etc/systemd/logind.conf.d/a.conf',
  )
  await mends(t, box, {
    id: 'remove-ipc',
    severity: 'note',
    break: 'rm /etc/systemd/logind.conf.d/a.conf',
    saw: /^logind's default: RemoveIPC=yes, and the instances are in \/dev\/shm\/polyns-inst$/,
  })
  t.equal(await box.read('/etc/systemd/logind.conf.d/polyns.conf'), '[Login]\nRemoveIPC=no\n')
  t.equal(await box.read('/run/systemctl.log'), 'restart systemd-logind\n')
  await box.sh('rm /etc/systemd/logind.conf.d/polyns.conf')
  await box.write('/etc/slurm/slurm.conf', 'ClusterName=x\nJobContainerType=job_container/tmpfs\n')
  await box.sh('printf "[Login]\\nRemoveIPC=no\\n" >/etc/systemd/logind.conf')
  await mends(t, box, {
    id: 'remove-ipc',
    severity: 'warning',
    break: 'printf "[Login]\\nRemoveIPC=yes\\n" >/etc/systemd/logind.conf',
    saw: /^\/etc\/systemd\/logind\.conf:2: RemoveIPC=yes/,
  })
})

t.test('users who linger', { skip }, async (t) => {
  await using box = await machine()
  await mends(t, box, {
    id: 'linger',
    severity: 'note',
    break: 'mkdir -p /var/lib/systemd/linger; touch /var/lib/systemd/linger/{alice,bob}',
    saw: /linger: alice bob$/,
    by: 'rm /var/lib/systemd/linger/*',
  })
})
