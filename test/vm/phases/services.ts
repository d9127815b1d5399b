/* What systemd and its friends start: managers of users, timers, services with a /tmp of their own. */
import type { Test } from 'tap'
import { listing } from '../listing.js'
import { NAMESPACE, type People, type Scene } from './phase.js'

export async function services(t: Test, scene: Scene, { alice, bob }: People): Promise<void> {
  const { vm } = scene
  await vm.write('/etc/cron.d/vm', '* * * * * alice cat /tmp/alice >/home/alice/cron.out 2>&1\n')

  await t.test('a service of alice’s own manager', async (t) => {
    const run = 'systemd-run --user --wait --quiet --pipe sh -c'
    t.equal(
      await alice.run(`${run} 'cat /tmp/alice /dev/shm/alice'`),
      'alice\nalice\n',
      'sees her directories',
    )
    const manager = await vm.sh('readlink /proc/$(systemctl show -P MainPID user@1000)/ns/mnt')
    const sees = await alice.run(`${run} '${NAMESPACE}'`)
    t.equal(sees, manager)
    const isShared = sees === (await alice.run(NAMESPACE))
    // Before Linux 6.11 a namespace whose leader is the user's cannot be told from one of his own making: it is not joined.
    t.equal(
      isShared,
      scene.suite !== 'bookworm',
      'in one namespace with her logins, where the kernel can tell it',
    )
  })

  await t.test('at', async (t) => {
    await alice.run(`echo 'cat /tmp/alice >/home/alice/at.out' | at now 2>/dev/null`)
    await vm.until('test -s /home/alice/at.out', { seconds: 90 })
    t.equal(await vm.sh('cat /home/alice/at.out'), 'alice\n')
  })

  await t.test('a service with PrivateTmp=', async (t) => {
    const run = 'systemd-run --wait --quiet --pipe -p PrivateTmp=yes sh -c'
    const [first, ...rest] = (await vm.sh(`${run} '${NAMESPACE}; ls -A /tmp'`)).trim().split('\n')
    t.not(first, scene.host)
    t.strictSame(rest, [], 'has an empty /tmp, in which nobody’s instances are')
  })

  await t.test('the ageing of /tmp leaves instances alone', async (t) => {
    const rules = '/etc/tmpfiles.d/tmp.conf' // in place of the one that the distribution ships
    await vm.write(rules, 'd /tmp 1777 root root 1s\nd /dev/shm 1777 root root 1s\n')
    await vm.sh('touch /tmp/vm-old /dev/shm/vm-old; sleep 3; systemd-tmpfiles --clean')
    t.equal(await vm.sh('ls -d /tmp/vm-old /dev/shm/vm-old 2>/dev/null || true'), '', 'files of the host age')
    t.equal(await alice.run('cat /tmp/alice /dev/shm/alice'), 'alice\nalice\n', 'those of alice do not')
    await vm.sh(`rm ${rules}`)
  })

  await t.test('systemctl restart polyns-setup, with sessions open', async (t) => {
    const before = await listing(vm)
    const restarted = await vm.time('restart polyns-setup', () => vm.root('systemctl restart polyns-setup'))
    t.match(restarted, { status: 0 })
    t.strictSame((await listing(vm)).mounts, before.mounts, 'the host’s mounts are as before')
    for (const [name, login] of Object.entries({ alice, bob })) {
      t.equal(
        await login.run(`cat /tmp/${name}; ls -A /tmp`),
        `${name}\n${name}\n`,
        `${name} keeps the directories`,
      )
    }
    t.match(await vm.as('alice', 'cat /tmp/alice'), { stdout: 'alice\n' })
  })

  await t.test('the units are hardened', async (t) => {
    for (const unit of ['polyns-setup.service', 'polyns-reap.service']) {
      const properties = 'NoNewPrivileges LockPersonality RestrictRealtime PrivateTmp'
      const show = properties.split(' ').map((p) => `systemctl show -P ${p} ${unit}`)
      t.equal(await vm.sh(show.join(';')), 'yes\nyes\nyes\nno\n', `${unit}: ${properties}`)
      vm.keep(`security-${unit}.txt`, await vm.sh(`systemd-analyze security --no-pager ${unit} || true`))
    }
  })

  await t.test('metrics', async (t) => {
    const metrics = await vm.sh('polyns metrics')
    vm.keep('metrics.txt', metrics)
    t.match(metrics, /^polyns_config_ok 1$/m)
    t.match(metrics, /^polyns_sessions\{service="sshd"\} 2$/m)
    t.match(metrics, /^polyns_users 2$/m)
  })

  await t.test('cron', async (t) => {
    await vm.until('test -s /home/alice/cron.out', {
      seconds: 150,
      why: 'journalctl -b -u cron --no-pager | tail',
    })
    t.equal(
      await vm.sh('rm /etc/cron.d/vm; cat /home/alice/cron.out'),
      'alice\n',
      'a job of alice’s sees her /tmp',
    )
  })
}
