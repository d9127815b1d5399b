/* polyns exec: a command as a user in that user's private namespace. */
import t from 'tap'
import { installPolyns, PAM_LINE, POLYNS } from '../support/install.js'
import { needs } from '../support/needs.js'
import { Sandbox } from '../support/sandbox.js'
import { Shell } from './shell.js'
import { settled } from './state.js'

const skip = needs('root', 'layer', 'dist')
const CONFIG = '/tmp /tmp/inst/ user:noinit:scope=job root\n/dev/shm /dev/shm/inst/ user:noinit root\n'

t.test('polyns exec', { skip }, async (t) => {
  await using box = await Sandbox.start()
  await installPolyns(box, CONFIG)
  await box.startSshd({ pamLines: [PAM_LINE] })
  const exec = (
    command: string,
    options: { as?: string; args?: string; cwd?: string; env?: Record<string, string> } = {},
  ) => {
    const { as = 'alice', args = '', ...how } = options
    return box.run(`exec ${POLYNS} exec -u ${as} ${args} -- ${command}`, how)
  }

  await t.test('runs it as the user, in the user’s view', async (t) => {
    await box.sh('touch /tmp/of-the-host')
    const r = await exec(`sh -c 'id; touch /tmp/f; ls /tmp'`, { as: 'carol' })
    t.match(r, { status: 0, stderr: /^$/ })
    t.equal(r.stdout, 'uid=5003(carol) gid=5003(carol) groups=5003(carol),50(staff)\nf\n')
    t.equal(await box.sh('stat -c %U /tmp/inst/carol/f'), 'carol\n')
    t.same(box.mntNs(), box.host.mntNs)
  })
  await t.test('gives it a clean environment', async (t) => {
    const env = {
      NODE_OPTIONS: '--inspect',
      LD_LIBRARY_PATH: '/tmp',
      SECRET: '1',
      PAM_USER: 'bob',
      LANG: 'C',
      TERM: 'vt100',
    }
    const r = await exec('env', { env })
    t.same(r.stdout.trim().split('\n').sort(), [
      'HOME=/home/alice',
      'LANG=C',
      'LOGNAME=alice',
      'PATH=/usr/local/bin:/usr/bin:/bin',
      'SHELL=/bin/bash',
      'TERM=vt100',
      'USER=alice',
    ])
  })
  await t.test('gives it no rights, descriptors or signals but its own', async (t) => {
    const inside = `bash -c 'grep -E "^(Cap(Eff|Prm|Bnd)|SigIgn|SigBlk|Groups|NoNewPrivs)" /proc/self/status; ulimit -Sn; ulimit -Hn; echo /proc/$$/fd/*; umask'`
    const outside = `setpriv --reuid alice --regid alice --init-groups ${inside}`
    const limit = 'ulimit -Sn 512; umask 027;'
    const asAlice = await box.run(`${limit} ${outside}`)
    // Not the last command: bash would become it, and the limit is that of polyns' parent.
    const r = await box.run(`${limit} ${POLYNS} exec -u alice -- ${inside}; exit $?`)
    const strip = (text: string) => text.replace(/\/proc\/\d+\//g, '')
    t.equal(strip(r.stdout), strip(asAlice.stdout))
    t.match(r.stdout, /^SigIgn:\s+0000000000000000$/m)
  })
  await t.test('passes its exit status and signal on', async (t) => {
    t.match(await exec(`sh -c 'exit 42'`), { status: 42 })
    t.match(await exec(`sh -c 'kill -TERM $$'`), { signal: 'SIGTERM' })
    t.match(await exec(`sh -c 'cat; exit 7' <<<given`), { status: 7, stdout: /^given\n$/ })
  })
  await t.test('keeps the working directory where the user’s view has it', async (t) => {
    t.match(await exec('pwd', { cwd: '/var/spool' }), { stdout: /^\/var\/spool\n$/ })
    t.match(await exec('pwd', { cwd: '/tmp' }), { stdout: /^\/tmp\n$/ })
    await box.sh('mkdir /tmp/host-only')
    t.match(await exec('pwd', { cwd: '/tmp/host-only' }), { stdout: /^\/\n$/ })
  })
  await t.test('starts the login shell when no command is given', async (t) => {
    t.match(await box.run(`echo 'echo $0; shopt login_shell' | ${POLYNS} exec -u alice`), {
      stdout: /^-bash\nlogin_shell +\ton\n$/,
    })
  })
  await t.test('joins the user’s ssh session', async (t) => {
    const shell = await Shell.open(box, 'alice')
    t.equal((await exec('readlink /proc/self/ns/mnt')).stdout, `${shell.mntNs}\n`)
    t.not((await exec('readlink /proc/self/ns/mnt', { as: 'bob' })).stdout, `${shell.mntNs}\n`)
    await shell.close()
  })
  await t.test('shows the directories of a job', async (t) => {
    t.match(await exec('touch /tmp/j /dev/shm/s', { args: '--job 7' }), { status: 0 })
    t.equal(await box.sh('ls /tmp/inst/alice.job7'), 'j\n')
    t.equal(
      await box.sh('ls /dev/shm/inst'),
      'alice\nbob\ncarol\n',
      'a line without scope=job has none for it',
    )
    for (const job of ['x', '0', '../bob', '-1', "''"]) {
      t.match(await exec('true', { args: `--job=${job}` }), {
        status: 2,
        stderr: /--job takes the number of a job/,
      })
    }
  })
  await t.test('says so when no rule concerns the user', async (t) => {
    const r = await exec('readlink /proc/self/ns/mnt', { as: 'root' })
    t.equal(r.stdout, `${box.host.mntNs}\n`)
    t.equal(r.stderr, "polyns: no rule applies to root: this runs in the host's view\n")
  })
  await t.test('tells what is wrong', async (t) => {
    t.match(await exec('no-such-command'), {
      status: 5,
      stdout: /^$/,
      stderr: /^polyns: no-such-command: is not a command in /,
    })
    t.match(await exec('/no/such'), { status: 1, stderr: /^polyns: execve\('\/no\/such'.* = ENOENT/ })
    t.match(await exec('/etc/passwd'), { status: 1, stderr: /EACCES/ })
    t.match(await exec('true', { as: 'nobody-knows' }), {
      status: 5,
      stderr: /user 'nobody-knows': is not known here/,
    })
    t.match(await box.run(`${POLYNS} exec -u alice true`, { user: 'alice' }), {
      status: 4,
      stderr: /needs root, but runs as uid 5001/,
    })
  })
  await settled(box)
  t.equal(box.processes().length, 1, 'nothing but sshd is left')
})
