/* polyns demo, as everybody may start it: what it shows, that it can fail, and that the machine is as before. */
import t from 'tap'
import { needs } from '../support/needs.js'
import { type Result, type RunOptions, Sandbox } from '../support/sandbox.js'

const skip = needs('root', 'layer', 'dist', 'userns')

// As people have it: no installation, just Node and the bundle.
const NODE = '"$(command -v node)"'
const DEMO = `exec ${NODE} /opt/polyns/dist/polyns.cjs demo`

const PICTURE = `
Without polyns: one /tmp for all
+-----------+---------------------+---------------------+---------------------+
|           | alice               | bob                 | the host            |
+-----------+---------------------+---------------------+---------------------+
| /tmp      | bob.txt  host.txt   | bob.txt  host.txt   | bob.txt  host.txt   |
|           | secret.txt          | secret.txt          | secret.txt          |
| /dev/shm  | segment             | segment             | segment             |
| namespace | HOST                | HOST                | HOST                |
+-----------+---------------------+---------------------+---------------------+

With polyns: 'polyns setup' at boot, 'polyns pam' at each login; the same again
+-----------+---------------------+---------------------+---------------------+
|           | alice               | bob                 | the host            |
+-----------+---------------------+---------------------+---------------------+
| /tmp      | secret.txt          | bob.txt             | host.txt            |
|           |                     |                     | polyns-inst/        |
| /dev/shm  | segment             | (empty)             | polyns-inst/        |
| namespace | ALICE               | BOB                 | HOST                |
+-----------+---------------------+---------------------+---------------------+
ok bob types 'cat /tmp/secret.txt': No such file or directory
ok alice logs in again: the second login joins the first one's namespace
ok what she mounts in the second, the first sees; bob and the host do not
ok the host mounts /run/media/usb now: both get it at once, and its end too
ok alice calls su: by 'polyns pam --global' root has the host's own view
ok all log out: no process, no session and no mount is left
ok alice's files stay for her next login, in /tmp/polyns-inst/alice
ok bob's last SLURM job ends: 'polyns epilog' removes what was his alone

Each user has a private /tmp and /dev/shm; all else is shared as ever.
Next: README.md; 'polyns check' reads your configuration.
`

/** Both users are root then, of whom the epilog takes nothing. */
const PICTURE_OF_ONE_UID = PICTURE.replace(/^ok bob's last.*\n/m, '')

/** The output below its first lines, with the numbers of the namespaces as words. */
function picture(stdout: string): string {
  const cells = /^\| namespace \| (\d+) +\| (\d+) +\| (\d+) +\|$/gm
  const [host, , , alice, bob] = [...stdout.matchAll(cells)].flatMap(([, ...numbers]) => numbers)
  const words: Record<string, string> = { [`${host}`]: 'HOST', [`${alice}`]: 'ALICE', [`${bob}`]: 'BOB' }
  return stdout
    .slice(stdout.indexOf('\nWithout'))
    .replace(/\b\d{10}\b/g, (number) => (words[number] ?? number).padEnd(10))
}

/** Everything of the machine that the demo has one of its own of. */
async function machine(box: Sandbox) {
  const directories = '/etc /home /run /tmp /var/tmp /dev/shm'
  const printed = '%i %y %m %U:%G %s %C@ %p\\n'
  const files = await box.sh(`find ${directories} -path /run/syslog -prune -o -printf '${printed}' | sort`)
  return { ...(await box.snapshot()), files, log: await box.syslog() }
}

async function demoIn(box: Sandbox, options: RunOptions = {}, command = DEMO): Promise<Result> {
  return box.run(command, { env: { LANG: 'C' }, ...options })
}

/** The sandbox has /proc/sys covered, which keeps a user namespace from having a /proc of its own. */
async function uncoverProc(box: Sandbox): Promise<void> {
  await box.sh('umount /proc/sys')
}

t.test('as root', { skip }, async (t) => {
  await using box = await Sandbox.start()
  await box.sh('touch /tmp/of-the-host /dev/shm/of-the-host; mkdir /run/polyns')
  const before = await machine(box)
  const { status, stdout, stderr } = await demoIn(box)
  t.match({ status, stderr }, { status: 0, stderr: /^$/ })
  t.match(stdout, /^polyns demo: .*\nIt is in namespaces that root made; nothing outside is changed\.\n\n/)
  t.equal(picture(stdout), PICTURE)
  t.ok(
    stdout.split('\n').every((line) => line.length < 80),
    'it fits on a terminal',
  )
  t.same(await machine(box), before, 'the machine is as before')
})

t.test('as a user, with subordinate ids', { skip }, async (t) => {
  await using box = await Sandbox.start()
  await uncoverProc(box)
  await box.sh('for f in subuid subgid; do echo alice:200000:65536 >/etc/$f; done')
  const before = await machine(box)
  const { status, stdout, stderr } = await demoIn(box, { user: 'alice' })
  t.match({ status, stderr }, { status: 0, stderr: /^$/ })
  t.match(
    stdout,
    /^polyns demo: .*\nIt is in a user namespace of yours, without root; nothing outside is changed\.\n\n/,
  )
  t.equal(picture(stdout), PICTURE)
  t.same(await machine(box), before, 'the machine is as before')

  await t.test('that are of no use: with one uid', async (t) => {
    await box.sh('chmod u-s /usr/bin/newuidmap; setcap -r /usr/bin/newuidmap || :')
    const { status, stdout, stderr } = await demoIn(box, { user: 'alice' })
    t.match({ status, stderr }, { status: 0, stderr: /^$/ })
    t.match(
      stdout.replaceAll('\n', ' '),
      /'unshare --map-auto' failed: .*, so two sessions of one uid stand for two/,
    )
    t.equal(picture(stdout), PICTURE_OF_ONE_UID)
  })
})

t.test('as a user, without subordinate ids', { skip }, async (t) => {
  await using box = await Sandbox.start()
  await box.sh(': >/etc/subuid; : >/etc/subgid')

  await t.test('where user namespaces can have no /proc', async (t) => {
    const { status, stdout, stderr } = await demoIn(box, { user: 'alice' })
    t.match({ status, stdout }, { status: 4, stdout: /^$/ })
    t.match(stderr, /^polyns: the demo needs a \/proc of its own: .*; run 'polyns demo' as root, or outside/)
  })
  await uncoverProc(box)
  const before = await machine(box)
  await t.test('anywhere else: with one uid', async (t) => {
    const { status, stdout, stderr } = await demoIn(box, { user: 'alice' })
    t.match({ status, stderr }, { status: 0, stderr: /^$/ })
    t.match(
      stdout.replaceAll('\n', ' '),
      ' no subordinate uids for alice in /etc/subuid, so two sessions of one uid stand for two users. ',
    )
    t.equal(picture(stdout), PICTURE_OF_ONE_UID)
  })
  await t.test(
    'from a directory that only the user can enter, or that the demo has one of its own of',
    async (t) => {
      for (const home of ['/home/alice', '/tmp', '/dev/shm']) {
        const copy = `d=$(mktemp -d ${home}/XXXXXX); mkdir $d/dist; cp /opt/polyns/dist/polyns.cjs $d/dist; ln -s /opt/polyns/node_modules $d`
        const { status, stdout, stderr } = await demoIn(
          box,
          { user: 'alice' },
          `${copy}; ${NODE} $d/dist/polyns.cjs demo; s=$?; rm -r $d; exit $s`,
        )
        t.match({ status, stderr }, { status: 0, stderr: /^$/ }, home)
        t.equal(picture(stdout), PICTURE_OF_ONE_UID)
      }
    },
  )
  await t.test('ended in the middle: nothing of it goes on', async (t) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGKILL'] as const) {
      const running = box.spawn(DEMO, { user: 'alice', env: { LANG: 'C' } })
      await running.waitFor(/Without polyns/)
      t.match(await box.end(running, signal), { signal }, signal)
      for (let i = 0; i < 150 && box.processes().length > 0; i++) await new Promise((r) => setTimeout(r, 20))
      t.same(box.processes(), [])
    }
  })
  const { mounts, processes, runPolyns, log } = await machine(box)
  t.match(before, { mounts, processes, runPolyns, log }, 'the machine is as before')
})

t.test('where namespaces are refused', { skip }, async (t) => {
  await using box = await Sandbox.start()
  await uncoverProc(box)
  await box.sh('for f in subuid subgid; do echo alice:200000:65536 >/etc/$f; done')
  // A user namespace has such a limit of its own. In there, too, are root and ordinary users.
  const limited = (who: string) =>
    demoIn(
      box,
      { user: 'alice' },
      `exec unshare --user --map-root-user --map-auto sh -c '
         echo 0 >/proc/sys/user/max_user_namespaces &&
         exec setpriv ${who} node /opt/polyns/dist/polyns.cjs demo'`,
    )
  const user = await limited('--reuid 1000 --regid 1000 --clear-groups')
  t.match(user, { status: 4, stdout: /^$/ })
  t.match(
    user.stderr,
    /^polyns: the demo needs namespaces of its own: user namespaces are refused: user\.max_user_namespaces is 0; run 'polyns demo' as root, or allow them: 'sysctl -w user\.max_user_namespaces=\d+'\n {2}because unshare: /,
  )
  const root = await limited('--bounding-set=-all --inh-caps=-all')
  t.match(root, { status: 4, stdout: /^$/ })
  t.match(
    root.stderr,
    /: root lacks CAP_SYS_ADMIN here, and .* too: user\.max_user_namespaces is 0; run .* as an/,
  )
})

t.test('in a chroot', { skip }, async (t) => {
  await using box = await Sandbox.start()
  const { status, stderr } = await demoIn(
    box,
    {},
    `exec unshare --mount sh -c 'mount --rbind / /mnt && exec chroot /mnt node /opt/polyns/dist/polyns.cjs demo'`,
  )
  t.match({ status, stderr }, { status: 4, stderr: /^polyns: the demo needs a root .*: this is a chroot/ })
})

t.test('whose output nobody reads', { skip }, async (t) => {
  await using box = await Sandbox.start()
  t.match(await demoIn(box, {}, `${DEMO.replace('exec ', '')} | head -n 1`), { status: 0, stderr: /^$/ })
})

t.test('it fails where polyns does not do what it should', { skip }, async (t) => {
  await using box = await Sandbox.start()
  // A program of which one command does something else.
  const broken = (command: string, does: string) =>
    `mkdir -p /root/x/dist; ln -sfn /opt/polyns/node_modules /root/x/node_modules
     { echo 'if (process.argv[2] === "${command}") ${does};'; cat /opt/polyns/dist/polyns.cjs; } >/root/x/dist/polyns.cjs
     ${NODE} /root/x/dist/polyns.cjs demo`
  const before = box.processes()

  await t.test('no session is made', async (t) => {
    const { status, stdout, stderr } = await demoIn(box, {}, broken('pam', 'process.exit(0)'))
    t.match({ status, stderr }, { status: 1, stderr: /^$/ })
    for (const line of [
      "NO alice sees 'secret.txt' in /tmp\n   but it was 'bob.txt host.txt polyns-inst/ secret.txt'",
      "NO bob sees '' in /dev/shm\n   but it was 'polyns-inst/ segment'",
      "NO bob types 'cat /tmp/secret.txt': No such file or directory\n   but it was 42",
      "NO alice logs in again: the second login joins the first one's namespace",
    ]) {
      t.ok(stdout.includes(`\n${line}\n`), line)
    }
    t.match(stdout, /\nNOT as it should be: \d+ of what polyns promises did not hold here/)
  })
  await t.test('a session is refused', async (t) => {
    const does = 'process.argv.push("--nonsense")'
    const { status, stderr } = await demoIn(box, {}, broken('pam', does))
    t.equal(status, 1)
    t.match(
      stderr,
      /^polyns: the login of (alice|bob) .* status 2: demo: .* refused: unknown option '--nonsense'/,
    )
  })
  await t.test('the boot step fails', async (t) => {
    const does = 'process.argv.push("--nonsense")'
    const { status, stderr } = await demoIn(box, {}, broken('setup', does))
    t.equal(status, 1)
    t.match(stderr, /^polyns: .*unknown option '--nonsense'/s)
  })
  t.same(box.processes(), before, 'and ends all that it started')
})

t.test('its own parts are not for people', { skip }, async (t) => {
  await using box = await Sandbox.start()
  const before = await box.snapshot()
  for (const part of ['--inside mnt:[1]', '--session alice --mount /mnt']) {
    const { status, stderr } = await demoIn(box, {}, `${DEMO} ${part}`)
    t.match({ status, stderr }, { status: 2, stderr: /is for the demo's own use; type 'polyns demo'/ }, part)
  }
  t.same(await box.snapshot(), before)
})
