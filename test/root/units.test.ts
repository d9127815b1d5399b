/*
 * The systemd units under the real systemd, which boots as pid 1 of a pid namespace within the sandbox: so its settings are in
 * force, and its order is kept. It needs a part of the cgroup tree to itself, which the test makes, and removes.
 */
import { readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { installPolyns, TMP_AND_SHM } from '../support/install.js'
import { needs } from '../support/needs.js'
import { type Result, Sandbox } from '../support/sandbox.js'

const skip = needs('root', 'layer', 'dist')
const UNITS = ['polyns-setup.service', 'polyns-reap.service', 'polyns-reap.timer'] as const
const source = (name: string) =>
  readFileSync(new URL(`../../config/systemd/${name}`, import.meta.url), 'utf8')

// It is not told that this is a container, since there the boot step refuses; so it is kept from the sysctls and the clock.
const GROUP = `/run/cgroup/polyns-test-${process.pid}`
const BOOT = `set -eu
mkdir -p /run/cgroup
mount -t cgroup2 cgroup2 /run/cgroup
mkdir ${GROUP}
echo $$ >${GROUP}/cgroup.procs
exec unshare --pid --mount --cgroup --fork --kill-child=KILL --propagation private -- sh -euc '
mount -t proc proc /proc
mount --make-rshared /
mount -t tmpfs -o mode=755 run /run
mkdir /run/lock
mount -t tmpfs -o mode=1777 tmp /tmp
mount --bind /proc/sys /proc/sys
mount -o remount,bind,ro,nosuid,nodev,noexec /proc/sys
mount -t cgroup2 cgroup2 /sys/fs/cgroup
exec env -i PATH=$PATH setpriv --bounding-set=-sys_time,-sys_boot,-sys_module,-sys_rawio,-syslog \\
  /lib/systemd/systemd --system --unit=multi-user.target --log-target=console'
`
// It takes its cgroups along when it ends; what a kill has left has no processes.
const CLEAN = `[ ! -d ${GROUP} ] || timeout 20 sh -c 'until find ${GROUP} -depth -type d -exec rmdir {} + 2>/dev/null; do sleep 0.1; done'`
// Of other packages in the layer, which want a machine or a network.
const MASKED =
  'systemd-udevd systemd-logind munge slurmd slurmctld autofs ssh cron atd dbus console-getty getty@tty1 systemd-binfmt'

class Machine {
  private constructor(
    private readonly box: Sandbox,
    private readonly pid: string,
  ) {}

  static async boot(box: Sandbox): Promise<Machine> {
    for (const name of UNITS) await box.write(`/etc/systemd/system/${name}`, source(name))
    await box.sh(`systemctl enable -q polyns-setup.service polyns-reap.timer; systemctl mask -q ${MASKED}`)
    await box.write('/root/boot.sh', BOOT)
    const systemd = box.spawn(['sh', '/root/boot.sh'])
    for (let i = 0; i < 600 && systemd.child.exitCode === null; i++) {
      const { stdout } = await box.run('pgrep -x systemd')
      const machine = new Machine(box, stdout.trim())
      const { stdout: state } = await machine.run('systemctl is-system-running')
      if (/running|degraded/.test(state)) return machine
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    throw new Error(`systemd does not boot: ${systemd.stdout.slice(-2000)} ${systemd.stderr.slice(-2000)}`)
  }

  run(command: string): Promise<Result> {
    return this.box.run(['nsenter', '-t', this.pid, '-m', '-p', '-C', '--', 'bash', '-c', command])
  }

  async sh(command: string): Promise<string> {
    const r = await this.run(command)
    if (r.status !== 0) throw new Error(`${command}: status ${r.status}: ${r.stdout}${r.stderr}`)
    return r.stdout
  }

  /** What a unit has said since the boot. */
  journal(unit: string): Promise<string> {
    return this.sh(`journalctl --sync; journalctl -b -u ${unit} -o cat`)
  }

  /** How many mounts there are on the polydirs. */
  async mounts(): Promise<number> {
    return (await this.sh('findmnt -rno TARGET'))
      .split('\n')
      .filter((at) => at === '/tmp' || at === '/dev/shm').length
  }
}

async function onMachine(test: (machine: Machine, box: Sandbox) => Promise<void>): Promise<void> {
  const sysctls = () =>
    readFileSync('/proc/sys/fs/file-max', 'utf8') + readFileSync('/proc/sys/fs/protected_fifos', 'utf8')
  const before = sysctls()
  await using box = await Sandbox.start({ leftovers: 'ignore' })
  await installPolyns(box)
  try {
    await test(await Machine.boot(box), box)
  } finally {
    await box.run('pkill -KILL -x systemd')
    await box.sh(CLEAN)
  }
  if (sysctls() !== before) throw new Error('systemd has changed sysctls of this machine')
}

async function setUp(t: Test, machine: Machine): Promise<void> {
  const bare = 2
  t.equal(await machine.sh('systemctl is-active polyns-setup polyns-reap.timer'), 'active\nactive\n')
  t.equal(await machine.mounts(), bare + 2, 'each polydir has a mount on itself, in the view of pid 1')
  await machine.sh('systemctl restart polyns-setup && systemctl reload polyns-setup')
  t.equal(await machine.mounts(), bare + 2, 'again')
  await machine.sh('systemctl stop polyns-setup')
  t.equal(await machine.mounts(), bare, 'stopped: taken back')
  await machine.sh('echo POLYNS_SETUP_OPTIONS=\\"--share /srv/none\\" >/etc/default/polyns')
  t.match(await machine.run('systemctl start polyns-setup'), { status: 1 })
  t.match(await machine.journal('polyns-setup'), /\/srv\/none/, 'options count')
  await machine.sh('rm /etc/default/polyns; systemctl start polyns-setup')
  t.match(await machine.journal('polyns-setup'), /done +mount --bind --make-private \/tmp/)
}

t.test('a machine boots', { skip, timeout: 120_000 }, async (t) => {
  await onMachine(async (machine, box) => {
    await t.test('the boot step is done, and undone', (t) => setUp(t, machine))

    await t.test('the units are in the view of the host', async (t) => {
      const look = '[Service]\nExecStartPost=/bin/sh -c "readlink /proc/self/ns/mnt >>/run/views"\n'
      for (const unit of ['polyns-setup', 'polyns-reap'])
        await machine.sh(
          `mkdir -p /run/systemd/system/${unit}.service.d; printf '${look}' >/run/systemd/system/${unit}.service.d/look.conf`,
        )
      await machine.sh(
        'systemctl daemon-reload && systemctl restart polyns-setup && systemctl start polyns-reap',
      )
      const view = await machine.sh('readlink /proc/1/ns/mnt')
      t.equal(await machine.sh('cat /run/views'), view + view)
    })

    await t.test('a drop-in that gives them a view of their own does no harm', async (t) => {
      await machine.sh(`mkdir -p /run/systemd/system/service.d; printf '[Service]\\nPrivateTmp=yes\\n' >/run/systemd/system/service.d/site.conf
        systemctl daemon-reload; systemctl restart polyns-setup`)
      t.equal(await machine.mounts(), 4)
      await machine.sh('rm -r /run/systemd/system/service.d; systemctl daemon-reload')
    })

    await t.test('reap takes away what is left, and what lives stays', async (t) => {
      await machine.sh(`polyns exec -u bob -- sh -c 'mkdir -p /tmp/a/b /tmp/s; touch /tmp/a/b/c /tmp/s/x; chmod 1777 /tmp/s; chmod 0 /tmp/a/b'
        setsid polyns exec -u alice -- sleep 60 >/dev/null 2>&1 </dev/null &
        for i in 1 2 3 4 5 6 7 8 9 10; do pgrep -u alice sleep && break; sleep 0.2; done`)
      await machine.sh('systemctl start polyns-reap')
      t.equal(await machine.sh('ls -A /tmp/polyns-inst'), 'alice\nbob\n', 'ten days have not passed')
      await machine.sh('echo POLYNS_REAP_OPTIONS= >>/etc/default/polyns; systemctl start polyns-reap')
      t.equal(await machine.sh('ls -A /tmp/polyns-inst'), 'alice\n')
      t.match(await machine.journal('polyns-reap'), /removed +\/tmp\/polyns-inst\/bob/)
      await machine.sh('pkill -u alice sleep')
    })

    await t.test('a restart with a broken configuration', async (t) => {
      await box.write('/etc/polyns/namespace.conf', '/tmp /tmp/polyns-inst/ usr\n')
      for (const action of ['restart', 'stop'])
        t.match(await machine.run(`systemctl ${action} polyns-setup`), { status: action === 'stop' ? 0 : 1 })
      t.equal(await machine.mounts(), 4, 'takes nothing back')
      const session = await machine.run("polyns exec -u alice -- sh -c 'findmnt -no SOURCE /tmp'")
      t.match(session, { status: 0, stdout: /polyns-inst\/alice/, stderr: /the last good one is used/ })
      await box.write('/etc/polyns/namespace.conf', TMP_AND_SHM)
      await machine.sh('systemctl start polyns-setup')
    })

    await t.test('what fails keeps nobody out', async (t) => {
      await machine.sh('systemctl stop polyns-setup')
      await box.write('/etc/polyns/namespace.conf', '/tmp /tmp/polyns-inst/ usr\n')
      t.match(await machine.run('systemctl start polyns-setup'), { status: 1 })
      t.match(await machine.journal('polyns-setup'), /unknown method "usr"/)
      t.match(await machine.run('systemctl restart systemd-user-sessions'), { status: 0 })
      await box.write('/etc/polyns/namespace.conf', TMP_AND_SHM)
    })
  })
})

t.test('what systemd-analyze says', { skip }, async (t) => {
  await using box = await Sandbox.start()
  await installPolyns(box)
  for (const name of UNITS) await box.write(`/etc/systemd/system/${name}`, source(name))
  const paths = UNITS.map((name) => `/etc/systemd/system/${name}`).join(' ')
  t.match(await box.run(`systemd-analyze verify --man=no ${paths}`), { status: 0, stdout: '', stderr: '' })

  // With each unit that it names, in the transaction of a whole boot, and where ssh waits for a name service.
  await box.sh('systemctl enable -q polyns-setup polyns-reap.timer ssh cron atd slurmd')
  await box.write(
    '/etc/systemd/system/sssd.service',
    '[Unit]\nBefore=systemd-user-sessions.service nss-user-lookup.target\nWants=nss-user-lookup.target\n[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n',
  )
  await box.sh('systemctl enable -q sssd')
  const remote = '/etc/systemd/system/polyns-setup.service.d/remote.conf'
  for (const dropIn of ['', '[Unit]\nAfter=remote-fs.target\n']) {
    await box.write(remote, dropIn)
    const { stderr } = await box.run('systemd-analyze verify --man=no multi-user.target graphical.target')
    t.notMatch(stderr, /cycle|polyns/i, `no ordering cycle ${dropIn}`)
  }
  for (const [unit, limit] of [
    ['polyns-setup', 50],
    ['polyns-reap', 45],
  ] as const) {
    const judge = `systemd-analyze security --offline=yes --threshold=${limit} --no-pager /etc/systemd/system/${unit}.service`
    t.match(await box.run(judge), { status: 0 }, `${unit}: exposed by at most ${limit / 10}`)
  }
})
