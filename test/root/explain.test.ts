/* polyns explain says what a login then does, and changes nothing itself. */
import t from 'tap'
import { installPolyns, PAM_LINE, POLYNS, TMP_AND_SHM } from '../support/install.js'
import { plainStack } from '../support/logins.js'
import { needs } from '../support/needs.js'
import { Sandbox } from '../support/sandbox.js'
import { Shell } from './shell.js'
import { settled } from './state.js'

const skip = needs('root', 'layer', 'dist')

interface Explained {
  outcome: string
  why: string
  exitStatus: number
  base: string
  lines: { line: number; polydir: string; applies: boolean; why: string }[]
  join: { pid: number; service: string } | null
  steps: { command: string }[]
  things: { path: string; role: string; state: string; why: string | null }[]
  unseen: string[]
}

async function explain(
  box: Sandbox,
  args: string,
  user?: string,
): Promise<{ status: number | null } & Explained> {
  const { status, stdout, stderr } = await box.run(
    `${POLYNS} explain ${args} --json`,
    user === undefined ? {} : { user },
  )
  if (stdout === '') throw new Error(stderr)
  return { status, ...(JSON.parse(stdout) as Explained) }
}

/** As `box.snapshot`, and what there is below the polydirs. */
async function everything(box: Sandbox): Promise<unknown> {
  const find = 'find /tmp /dev/shm /scratch /run/polyns -printf "%y %m %U:%G %i %T@ %P\\n" 2>/dev/null | sort'
  return [await settled(box), await box.sh(`${find}; true`)]
}

t.test('before, during and after a session', { skip }, async (t) => {
  await using box = await Sandbox.start()
  await installPolyns(box)
  await box.startSshd({ pamLines: [PAM_LINE] })
  const untouched = await everything(box)

  const first = await explain(box, '--user alice --service sshd')
  t.match(first, { status: 0, outcome: 'build', join: null, unseen: [], exitStatus: 0, base: 'host' })
  t.same(first.steps.map(({ command }) => command).slice(0, 8), [
    'unshare --mount',
    'mount --make-rslave /',
    'mkdir -m 000 /tmp/polyns-inst',
    'mkdir -m 000 /dev/shm/polyns-inst',
    'mkdir -m 1777 /tmp/polyns-inst/alice',
    'mount --bind --make-private /tmp/polyns-inst/alice /tmp',
    'mkdir -m 1777 /dev/shm/polyns-inst/alice',
    'mount --bind --make-private /dev/shm/polyns-inst/alice /dev/shm',
  ])
  t.match(await explain(box, '--user root'), {
    outcome: 'nothing',
    lines: [
      { line: 1, polydir: '/tmp', applies: false, why: 'for everybody but root: root is listed' },
      { line: 2 },
    ],
  })
  t.match(await explain(box, '--user alice --service cron'), {
    outcome: 'nothing',
    why: /cron does not call/,
  })
  t.match(
    await explain(box, '--user alice', 'bob'),
    { outcome: 'build', unseen: [] },
    'bob may see that much',
  )
  t.same(await everything(box), untouched, 'nothing has changed')

  const shell = await Shell.open(box, 'alice')
  const during = await explain(box, '--user alice')
  t.match(during, { outcome: 'join', join: { service: 'sshd' } })
  t.same(
    during.things.map(({ path, state }) => [path, state]),
    [
      ['/tmp', 'there'],
      ['/tmp/polyns-inst', 'there'],
      ['/tmp/polyns-inst/alice', 'there'],
      ['/dev/shm', 'there'],
      ['/dev/shm/polyns-inst', 'there'],
      ['/dev/shm/polyns-inst/alice', 'there'],
    ],
  )
  t.same((await explain(box, '--user bob')).join, null, 'bob has none to join')
  const second = await Shell.open(box, 'alice')
  t.equal(second.mntNs, shell.mntNs, 'and so it comes: the second login joins')
  const inside = await explain(box, '--user alice', 'alice')
  t.match(inside.unseen.join('\n'), /live sessions: only root/, 'alice herself cannot see that')
  const fromInside = JSON.parse(await box.sh(`nsenter -t ${shell.pid} -m -- ${POLYNS} explain -u bob --json`))
  t.same(
    fromInside,
    await explain(box, '-u bob').then(({ status: _, ...same }) => same),
    'root, inside of it, sees the host',
  )
  await second.close()
  await shell.close()

  const after = await explain(box, '--user alice')
  t.match(after, { outcome: 'build' })
  t.notMatch(after.steps.map(({ command }) => command).join('\n'), 'mkdir', 'nothing is left to be made')
})

t.test('what a login is refused for', { skip }, async (t) => {
  await using box = await Sandbox.start()
  await installPolyns(box)
  await box.startSshd({ pamLines: [PAM_LINE] })
  await box.sh('mkdir -m 755 /tmp/polyns-inst')
  t.match(await explain(box, '-u alice'), {
    status: 5,
    outcome: 'refused',
    exitStatus: 5,
    why: '/tmp/polyns-inst: mode is 0755, not 0000',
  })
  t.match(await box.ssh('alice', 'true'), { status: 254 })
  await box.sh(
    'chmod 000 /tmp/polyns-inst; mkdir -m 777 /tmp/polyns-inst/alice; chown bob /tmp/polyns-inst/alice',
  )
  t.match(await explain(box, '-u alice'), { status: 5, why: /alice: owner is uid 5002.*mode is 0777/ })
  t.match(await box.ssh('alice', 'true'), { status: 254 })
  t.match(await explain(box, '-u alice', 'carol'), {
    status: 0,
    outcome: 'build',
    unseen: [/alice: only root/],
  })
  await box.pam('app', plainStack([`${PAM_LINE} --fail-open`]))
  t.match(await explain(box, '-u alice -s app'), { status: 0, outcome: 'host', why: /--fail-open/ })

  t.match(await box.run(`${POLYNS} explain -u nobody-here`), {
    status: 5,
    stdout: /^$/,
    stderr: /^polyns: user 'nobody-here': is not known here; 'getent passwd' should list it/,
  })
  await box.write('/etc/polyns/namespace.conf', TMP_AND_SHM.replace('user', 'usr'))
  t.match(await box.run(`${POLYNS} explain -u alice`), {
    status: 3,
    stdout: /^$/,
    stderr: /namespace\.conf:1:/,
  })
})

t.test('flags, and methods that go by SELinux context', { skip }, async (t) => {
  await using box = await Sandbox.start()
  const config = `/tmp /tmp/polyns-inst/ user:keep=.X11-unix:nosuid:nodev root,@staff
/dev/shm tmpfs tmpfs:mntopts=size=10M,noexec:noinit root
/scratch/tmp /scratch/inst/ level:create=01777,root,root:noinit ~alice
`
  await installPolyns(box, config)
  await box.sh('mkdir /scratch /tmp/.X11-unix')
  const explained = await explain(box, '-u alice')
  const commands = explained.steps.map(({ command }) => command).join('\n')
  t.match(commands, 'mount -o remount,bind,nosuid,nodev /tmp\n')
  t.match(commands, 'mount --bind /proc/1/root/tmp/.X11-unix /tmp/.X11-unix\n')
  t.match(commands, 'mount --make-private -t tmpfs -o size=10M,noexec polyns /dev/shm\n')
  t.match(commands, 'mkdir -m 1777 /scratch/tmp\nmkdir -m 1777 /scratch/inst/alice\n')
  t.match(explained, { outcome: 'build', notes: [/method level is as good as method user.*SELinux is off/] })
  t.match((await explain(box, '-u carol')).lines, [
    { why: 'for everybody but root, group staff: carol is listed, as group staff' },
  ])

  await box.write('/etc/polyns/namespace.conf', config.replace('level:', 'level:shared:'))
  t.match(await explain(box, '-u alice'), {
    status: 4,
    outcome: 'refused',
    why: /^\/scratch\/tmp, .*SELinux is off/,
  })
})
