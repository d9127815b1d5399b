/* polyns doctor on the services that open sessions: what is taken from them, and where they run. */
import t from 'tap'
import { findingsOf, mends } from '../support/doctor.js'
import { installPolyns, PAM_LINE, POLYNS, TMP_AND_SHM } from '../support/install.js'
import { needs } from '../support/needs.js'
import { Sandbox } from '../support/sandbox.js'

const skip = needs('root', 'layer', 'dist')

/** cron as Debian's script starts it, with the line of polyns. */
async function host(): Promise<Sandbox> {
  const box = await Sandbox.start()
  await installPolyns(box, TMP_AND_SHM)
  await box.sh(`${POLYNS} setup; echo '${PAM_LINE}' >>/etc/pam.d/cron; /etc/init.d/cron start`)
  return box
}

const again = (how: string) => `/etc/init.d/cron stop; ${how} /etc/init.d/cron start`
const stop = (box: Sandbox) => box.sh('/etc/init.d/cron stop')

/** A filter that lets everything pass: prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, { BPF_RET, SECCOMP_RET_ALLOW }). */
const FILTERED = `my $return = pack("SCCL", 6, 0, 0, 0x7fff0000);
my $prctl = (\`uname -m\` =~ /aarch64/) ? 167 : 157;
syscall($prctl, 22, 2, pack("S x6 P", 1, $return), 0, 0) == 0 or die "seccomp: $!";
exec @ARGV;
`

t.test('a service that was started with less than polyns needs', { skip }, async (t) => {
  await using box = await host()
  const id = 'service-rights'
  await mends(t, box, {
    id,
    severity: 'error',
    break: again('setpriv --bounding-set -sys_ptrace'),
    saw: /cron \(pid \d+\) was started without CAP_SYS_PTRACE/,
  })
  await box.write('/root/filtered.pl', FILTERED)
  await box.sh(again('perl /root/filtered.pl'))
  const filtered = [{ severity: 'note', saw: /cron \(pid \d+\) has a seccomp filter/, mend: [] }]
  t.match(await findingsOf(box, id), filtered, 'what it forbids cannot be seen, and it may forbid nothing')
  await box.sh(again('setpriv --no-new-privs'))
  t.match(await findingsOf(box, id), [{ severity: 'note', saw: /no_new_privs/, mend: [] }])
  await stop(box)
})

t.test('a service that runs elsewhere than on the host', { skip }, async (t) => {
  await using box = await host()
  const id = 'service-namespace'
  await mends(t, box, {
    id,
    severity: 'note',
    break: again('unshare --mount --propagation slave'),
    saw: /cron \(pid \d+\) runs in a mount namespace of its own/,
  })
  await mends(t, box, {
    id,
    severity: 'warning',
    break: `/etc/init.d/cron stop; unshare --mount sh -ec 'mount -t tmpfs other /tmp; /etc/init.d/cron start'`,
    saw: /cron \(pid \d+\) runs in a mount namespace of its own/,
  })
  const held = await box.pamHold({ service: 'cron', user: 'alice' })
  const found = await mends(t, box, {
    id,
    severity: 'warning',
    break: again(`nsenter -t ${held.pid} -m`),
    saw: /cron \(pid \d+\) runs in the private namespace of alice/,
  })
  t.match(found?.mend, ['nsenter -t 1 -m /etc/init.d/cron restart'])
  await held.close()
  await stop(box)
})

t.test('units of systemd’s', { skip }, async (t) => {
  await using box = await host()
  // No systemd runs here: what it is told is written down, and whether the drop-in would count is for doctor to say.
  await box.write('/usr/local/sbin/systemctl', '#!/bin/sh\necho "$*" >>/run/systemctl\n', 0o755)
  await box.sh('mkdir -p /run/systemd/system')
  const unit = (name: string, ...lines: string[]) =>
    `mkdir -p /etc/systemd/system/${name}.d; printf '[Service]\\n${lines.join('\\n')}\\n' >/etc/systemd/system/${name}.d/site.conf`
  const id = 'service-rights'
  await mends(t, box, {
    id,
    severity: 'error',
    break: unit('cron.service', 'CapabilityBoundingSet=~CAP_SYS_ADMIN CAP_SYS_PTRACE CAP_NET_RAW'),
    saw: /cron.service.d\/site.conf:2: CapabilityBoundingSet=/,
  })
  t.match(
    await box.read('/etc/systemd/system/cron.service.d/zz-polyns-capabilities.conf'),
    /=CAP_SYS_PTRACE CAP_SYS_ADMIN\n$/,
  )
  await box.sh(
    unit(
      'ssh.service',
      'SystemCallFilter=@system-service @mount @debug',
      'RestrictNamespaces=~user',
      'LockPersonality=yes',
    ),
  )
  t.match(await findingsOf(box, id), [], 'filters that let the calls of polyns pass')
  await mends(t, box, {
    id,
    severity: 'error',
    break: unit(
      'ssh.service',
      'SystemCallFilter=@system-service',
      'RestrictNamespaces=user',
      'LockPersonality=yes',
    ),
    saw: /SystemCallFilter=@system-service; .*RestrictNamespaces=user$/,
  })
  t.match(
    await box.read('/etc/systemd/system/ssh.service.d/zz-polyns-seccomp.conf'),
    /SystemCallFilter=@debug @mount\nRestrictNamespaces=no\n$/,
  )
  await mends(t, box, {
    id: 'service-namespace',
    severity: 'note',
    break: unit('atd.service', 'ProtectSystem=full', 'InaccessiblePaths=/srv'),
    saw: /ProtectSystem=full; .*InaccessiblePaths=/,
  })
  await mends(t, box, {
    id: 'service-namespace',
    severity: 'warning',
    break: unit('atd.service', 'PrivateTmp=yes'),
    saw: /PrivateTmp=yes/,
  })
  t.equal(await box.read('/run/systemctl'), 'daemon-reload\n'.repeat(4), 'none of them runs under systemd')
  await box.sh('rmdir /run/systemd/system')
  await stop(box)
})
