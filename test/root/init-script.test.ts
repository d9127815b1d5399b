/*
 * The LSB init script, run as an administrator and as the rc links run it: what it does to the mount table, and its exit statuses,
 * which LSB lays down (https://refspecs.linuxbase.org, "Init Script Actions").
 */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { installPolyns, TMP_AND_SHM } from '../support/install.js'
import { needs } from '../support/needs.js'
import { Sandbox } from '../support/sandbox.js'

const skip = needs('root', 'layer', 'dist')
const source = (name: string) => readFileSync(new URL(`../../config/init/${name}`, import.meta.url), 'utf8')
const SCRIPT = '/etc/init.d/polyns'

async function machine(): Promise<Sandbox> {
  const box = await Sandbox.start()
  await installPolyns(box)
  await box.write(SCRIPT, source('polyns.lsb'), 0o755)
  return box
}

const binds = (box: Sandbox) => box.mountinfo().filter((line) => / \/(tmp|dev\/shm) /.test(line)).length

t.test('start, status, stop, restart', { skip }, async (t) => {
  await using box = await machine()
  const before = box.mountinfo()
  const does = async (action: string, status: number, said: RegExp = /^$/) => {
    const r = await box.run([SCRIPT, action])
    t.match({ action, ...r }, { status, stdout: said, stderr: '' }, action)
  }
  await does('status', 3, /is not set up/)
  await does('try-restart', 0)
  t.same(box.mountinfo(), before, 'try-restart starts nothing that was not started')
  await does('start', 0)
  const after = box.mountinfo()
  t.equal(binds(box), 3, 'each polydir has a mount on itself')
  await does('status', 0, /is set up/)
  for (const action of ['start', 'reload', 'force-reload']) await does(action, 0)
  t.same(box.mountinfo(), after, 'again, and nothing changes')
  await does('stop', 0)
  t.same(box.mountinfo(), before)
  await does('status', 3, /is not set up/)
  await does('stop', 0)

  await does('start', 0)
  await box.write('/etc/polyns/namespace.conf', TMP_AND_SHM.split('\n')[0] ?? '')
  await does('try-restart', 0)
  t.equal(binds(box), 2, 'the mount of a polydir that the configuration has no longer is gone')
  await does('restart', 0)
  await does('status', 0, /is set up/)
})

t.test('a restart with a broken configuration', { skip }, async (t) => {
  await using box = await machine()
  await box.sh([SCRIPT, 'start'])
  const before = box.mountinfo()
  await box.write('/etc/polyns/namespace.conf', '/tmp /tmp/polyns-inst/ usr\n')
  for (const action of ['restart', 'stop'])
    t.match(await box.run([SCRIPT, action]), { status: 6, stderr: /unknown method/ }, action)
  t.same(box.mountinfo(), before, 'takes nothing back')
  t.match(await box.run('polyns exec -u alice -- true'), { status: 0 }, 'sessions have the last good one')
})

t.test('a session keeps its directories while the host is set up anew', { skip }, async (t) => {
  await using box = await machine()
  await box.sh([SCRIPT, 'start'])
  const session = box.spawn(
    ['polyns', 'exec', '-u', 'alice', '--', 'sh', '-c', 'touch /tmp/mine; echo in; read x; ls -A /tmp'],
    {
      input: 'pipe',
    },
  )
  for (let i = 0; i < 500 && !session.stdout.includes('in'); i++) await new Promise((f) => setTimeout(f, 10))
  await box.sh([SCRIPT, 'restart'])
  await box.sh([SCRIPT, 'stop'])
  session.child.stdin?.end('go\n')
  t.match(await session.exited, { status: 0, stdout: 'in\nmine\n' })
})

t.test('what goes wrong', { skip }, async (t) => {
  await using box = await machine()
  const status = async (action: string, options = {}) => (await box.run([SCRIPT, action], options)).status
  t.equal(await status('sing'), 2, 'an action that there is not')
  t.equal(await status('start', { user: 'alice' }), 4, 'not by a user')
  t.same(await box.run([SCRIPT, 'start'], { user: 'alice' }).then((r) => r.stderr), 'polyns: needs root\n')
  await box.write('/etc/polyns/namespace.conf', '/tmp /tmp/polyns-inst/ usr\n')
  const broken = await box.run([SCRIPT, 'start'])
  t.match(broken, { status: 6, stderr: /unknown method/ }, 'a configuration that cannot be used')
  t.equal(await status('status'), 4)
  await box.write('/etc/polyns/namespace.conf', TMP_AND_SHM)
  await box.sh('install -d -o alice /tmp/polyns-inst')
  t.match(await box.run([SCRIPT, 'start']), { status: 1, stderr: /polyns-inst/ }, "a parent of a user's")
  await box.sh('rm -r /tmp/polyns-inst; rm /usr/sbin/polyns')
  t.equal(await status('start'), 5, 'removed, the script is left')
  t.equal(await status('stop'), 0)
  t.equal(await status('status'), 4)
})

t.test('options', { skip }, async (t) => {
  await using box = await machine()
  await box.sh('mkdir /srv/net; mount --make-private /')
  await box.write('/etc/default/polyns', 'POLYNS_SETUP_OPTIONS="--keep-root --share /srv/net"\n')
  await box.sh([SCRIPT, 'start'])
  t.match(box.mountinfo().join('\n'), / \/srv\/net [^\n]* shared:/)
  t.equal(await box.sh('findmnt -no PROPAGATION /'), 'private\n', '/ is as it was')
  await box.sh([SCRIPT, 'stop'])
})

t.test('its place at boot', { skip }, async (t) => {
  await using box = await machine()
  await box.sh('update-rc.d polyns defaults && update-rc.d ssh defaults && update-rc.d cron defaults')
  const links = (await box.sh('cd /etc/rc2.d; echo S*')).trim().split(' ')
  const place = (name: string) => links.findIndex((link) => link.endsWith(name))
  t.ok(place('polyns') >= 0, links.join(' '))
  t.notMatch(await box.sh('ls /etc/rc0.d /etc/rc6.d'), 'polyns', 'nothing at shutdown')
})

t.test('scripts are for any POSIX shell', { skip }, async (t) => {
  await using box = await Sandbox.start()
  for (const name of ['polyns.lsb', 'polyns.openrc']) {
    await box.write(`/root/${name}`, source(name))
    for (const shell of ['dash', 'bash --posix']) {
      t.match(await box.run(`${shell} -n /root/${name}`), { status: 0, stderr: '' }, `${shell}: ${name}`)
    }
  }
})
