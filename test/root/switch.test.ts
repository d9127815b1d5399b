/* su and sudo from within a private session: whose /tmp, which namespace, which working directory. */
import t from 'tap'
import { installPolyns, PAM_LINE } from '../support/install.js'
import { plainStack } from '../support/logins.js'
import { needs } from '../support/needs.js'
import { Sandbox } from '../support/sandbox.js'

const skip = needs('root', 'layer', 'dist')

/** What somebody sees: whose file is in /tmp, and which namespace that is. */
const LOOK =
  'echo "$(id -un) $(cat /tmp/whose 2>/dev/null || echo none) $(readlink /proc/self/ns/mnt) $(pwd)"'

async function machine(lines: Record<string, string>): Promise<Sandbox> {
  const box = await Sandbox.start()
  await installPolyns(box)
  await box.startSshd({ pamLines: [PAM_LINE] })
  for (const [service, line] of Object.entries(lines)) await box.pam(service, plainStack([line]))
  await box.sh('echo host >/tmp/whose; chmod 644 /tmp/whose')
  for (const user of ['alice', 'bob'])
    await box.sh(`polyns exec -u ${user} -- sh -c 'echo ${user} >/tmp/whose'`)
  return box
}

async function look(box: Sandbox, command: string) {
  const { stdout, stderr, status } = await box.ssh('alice', command)
  const [user, whose, ns, cwd] = stdout.trim().split(' ')
  return { user, whose, isHost: ns === box.host.mntNs, cwd, status, stderr }
}

t.test('without an option', { skip }, async (t) => {
  await using box = await machine({ su: PAM_LINE, sudo: PAM_LINE })
  t.match(await look(box, LOOK), { user: 'alice', whose: 'alice', isHost: false })
  t.match(await look(box, `su bob -c '${LOOK}'`), { user: 'bob', whose: 'bob', isHost: false })
  t.match(
    await look(box, `su root -c '${LOOK}'`),
    { user: 'root', whose: 'alice', isHost: false },
    'root stays',
  )
})

t.test('--unmnt-remnt: his own, or the real one', { skip }, async (t) => {
  const line = `${PAM_LINE} --unmnt-remnt`
  await using box = await machine({ su: line, sudo: line })
  t.match(await look(box, `su bob -c '${LOOK}'`), { user: 'bob', whose: 'bob' })
  t.match(await look(box, `su root -c '${LOOK}'`), { user: 'root', whose: 'host' })
  t.match(await look(box, `sudo sh -c '${LOOK}'`), { user: 'root', whose: 'host' })
  t.match(
    await look(box, `sudo su bob -c '${LOOK}'`),
    { user: 'bob', whose: 'bob' },
    'root asks: bob has his own',
  )
})

t.test('--unmnt-only: the real one, but his own where root asks', { skip }, async (t) => {
  const line = `${PAM_LINE} --unmnt-only`
  await using box = await machine({ su: line, sudo: line })
  t.match(await look(box, `su bob -c '${LOOK}'`), { user: 'bob', whose: 'host' })
  t.match(await look(box, `su root -c '${LOOK}'`), { user: 'root', whose: 'host' })
  const fromRoot = await box.sh(`su bob -c '${LOOK}'`)
  t.match(fromRoot, /^bob bob /)
})

t.test('--global: the namespace of pid 1', { skip }, async (t) => {
  const line = `${PAM_LINE} --global`
  await using box = await machine({ su: line, sudo: line })
  t.match(await look(box, `sudo sh -c '${LOOK}'`), { user: 'root', whose: 'host', isHost: true })
  t.match(await look(box, `su bob -c '${LOOK}'`), { user: 'bob', whose: 'host', isHost: true })
  await box.sh('mkdir /mnt/disk')
  await t.test('a mount made there is seen by the others', async (t) => {
    await box.ssh('alice', 'sudo mount -t tmpfs disk /mnt/disk && sudo touch /mnt/disk/here')
    t.equal((await box.ssh('bob', 'ls /mnt/disk')).stdout, 'here\n')
    t.equal(await box.sh('ls /mnt/disk'), 'here\n')
  })
})

t.test('a real mount on /tmp is never taken away', { skip }, async (t) => {
  for (const option of ['--unmnt-remnt', '--unmnt-only', '--global']) {
    await using box = await machine({ su: `${PAM_LINE} ${option}` })
    await box.sh('mount -t tmpfs -o mode=1777 real /tmp && echo real >/tmp/whose && chmod 644 /tmp/whose')
    const before = box.mountinfo()
    t.match(await box.sh(`su bob -c '${LOOK}'`), option === '--global' ? /^bob real/ : /^bob none/, option)
    t.same(box.mountinfo(), before)
  }
})

t.test('who asked cannot be told', { skip }, async (t) => {
  await using box = await machine({})
  await box.pam('rsh', plainStack([`${PAM_LINE} --unmnt-only`]))
  for (const ruser of ['bob@remote', 'nobody-by-that-name', '../..']) {
    const report = await box.pamApp({ service: 'rsh', user: 'bob', ruser, command: LOOK })
    t.equal(report.open, 0, ruser)
    t.match(
      report.command?.stdout,
      /^root bob /,
      'the real user of the application, root, counts as the one who asks',
    )
  }
})

t.test('three deep and back, the working directory is kept', { skip }, async (t) => {
  await using box = await machine({ su: PAM_LINE })
  await box.sh('mkdir -m 1777 /srv/work')
  const script = [
    'cd /srv/work',
    LOOK,
    `su bob -c 'cd /srv/work; ${LOOK}; su alice -c "cd /tmp; exec sh /srv/look"; pwd'`,
    'su bob -c pwd',
    'cd /tmp && su bob -c pwd',
    'mkdir -p /tmp/only-here && cd /tmp/only-here && su bob -c pwd',
    'cd /tmp && cat whose',
  ].join('\n')
  await box.write('/srv/look', `${LOOK}\n`)
  const { stdout } = await box.ssh('alice', script)
  const ns = /mnt:\[\d+\]/
  t.match(stdout.trim().split('\n'), [
    new RegExp(`^alice alice ${ns.source} /srv/work$`),
    new RegExp(`^bob bob ${ns.source} /srv/work$`),
    new RegExp(`^alice alice ${ns.source} /tmp$`),
    '/srv/work',
    '/srv/work',
    '/tmp',
    '/',
    'alice',
  ])
})

t.test('services that the line names are skipped', { skip }, async (t) => {
  await using box = await machine({ su: `${PAM_LINE} --skip cron,su` })
  t.match(await look(box, `su bob -c '${LOOK}'`), { user: 'bob', whose: 'alice' })
})

t.test('the line twice in one stack is the line once', { skip }, async (t) => {
  await using box = await machine({})
  await box.pam('su-l', plainStack([PAM_LINE, PAM_LINE]))
  t.match(await look(box, `su -l bob -c '${LOOK}'`), { user: 'bob', whose: 'bob' })
  const lines = (await box.syslog()).filter((line) => /su-l: session of bob opened/.test(line))
  t.match(lines, [/opened, built/, /opened, kept/])
})
