/*
 * Debian's own PAM stacks with the polyns line in them, and the programs that they belong to: the session joins the one that
 * the user has, is recorded while it is open, and takes nothing from what it leaves behind.
 */
import t from 'tap'
import { installPolyns, PAM_LINE, POLYNS } from '../support/install.js'
import { plainStack } from '../support/logins.js'
import { needs } from '../support/needs.js'
import { Sandbox } from '../support/sandbox.js'
import { type Caller, Lookout } from './caller.js'
import { Shell } from './shell.js'
import { logged } from './state.js'

const skip = needs('root', 'layer', 'dist')

const CONFIG = '/tmp /tmp/inst/ user:noinit root,carol\n'
const SERVICES = ['sshd', 'login', 'cron', 'atd', 'su', 'sudo', 'sudo-i', 'runuser']

/** alice and the host have their names in their /tmp, and sshd runs with Debian's stack. */
async function machine(line: string, where: 'first' | 'last' = 'last'): Promise<Lookout> {
  const box = await Sandbox.start()
  await installPolyns(box, CONFIG)
  const lookout = await Lookout.on(box)
  for (const service of SERVICES) await lookout.addLine(service, line, where)
  for (const service of ['crond', 'systemd-user']) await box.pam(service, plainStack([line]))
  await lookout.startSshd()
  await box.ssh('alice', 'true')
  await lookout.mark('host', '/tmp')
  await lookout.mark('alice', '/tmp/inst/alice')
  return lookout
}

interface Listed {
  user: string
  service: string
  tty: string | null
  rhost: string | null
  pid: number
  namespace: string
}

/** Without the age, which grows meanwhile. */
async function listed(box: Sandbox): Promise<Listed[]> {
  const { sessions } = JSON.parse(await box.sh([POLYNS, 'list', '--json']))
  return sessions.map(({ age, ...session }: Listed & { age: number }) => session)
}

for (const [where, line] of [
  ['first', `${PAM_LINE}\n-session optional pam_systemd.so`],
  ['last', `-session optional pam_systemd.so\n${PAM_LINE}`],
] as const) {
  const before = where === 'first' ? 'before' : 'after'
  t.test(`the line stands ${where} in Debian’s stacks, ${before} pam_systemd`, { skip }, async (t) => {
    const lookout = await machine(line, where)
    await using box = lookout.box
    const alice = await Shell.open(box, 'alice')
    const [ssh, ...others] = await listed(box)
    t.match(ssh, { user: 'alice', service: 'sshd', tty: 'ssh', rhost: '127.0.0.1' })
    t.same(others, [])
    const callers: [service: string, tty: string | RegExp | null, caller: Caller][] = [
      ['sshd', 'ssh', lookout.ssh('alice')],
      ['login', /pts\/\d+$/, lookout.login('alice')],
      ['cron', 'cron', lookout.cron('alice')],
      ['crond', 'cron', lookout.app('crond', 'alice', { tty: 'cron' })],
      ['atd', null, lookout.at(alice)],
      ['systemd-user', null, lookout.app('systemd-user', 'alice')],
      ['su', null, lookout.fromHost((sees) => `su alice -c '${sees}'`)],
      ['su', null, lookout.from(alice, (sees) => `su alice -c '${sees}'`)],
      ['su-l', null, lookout.fromHost((sees) => `su - alice -c '${sees}'`)],
      ['runuser', null, lookout.fromHost((sees) => `runuser -u alice -- ${sees}`)],
      ['runuser-l', null, lookout.fromHost((sees) => `runuser -l alice -c '${sees}'`)],
      ['sudo', null, lookout.fromHost((sees) => `sudo -u alice ${sees}`)],
      ['sudo-i', null, lookout.fromHost((sees) => `sudo -u alice -i ${sees}`)],
    ]
    for (const [service, tty, caller] of callers) {
      const from = (await logged(box)).length
      const sight = await lookout.look(caller, '/tmp', async () => {
        const others = (await listed(box)).filter(({ pid }) => pid !== ssh?.pid)
        t.match(others, [{ user: 'alice', service, tty, namespace: ssh?.namespace }], `${service}: is listed`)
        t.equal(others.length, 1)
      })
      t.match(sight, { user: 'alice', whose: 'alice', left: 'alice', ns: alice.mntNs }, service)
      t.same(await listed(box), [ssh], `${service}: and no more`)
      t.same(
        await logged(box, from),
        ['opened, joined: /tmp', 'closed'].map(
          (what) => `authpriv.info: ${service}: session of alice ${what}`,
        ),
      )
    }
    await alice.close()
    t.same(await listed(box), [])
    t.equal(await box.sh('ls -A /run/polyns/sessions'), '')
  })
}

t.test('sessions that are left alone', { skip }, async (t) => {
  const lookout = await machine(`${PAM_LINE} --skip cron,systemd-user`)
  await using box = lookout.box
  const seesHost = { whose: 'host', ns: box.host.mntNs, left: 'host' }

  await t.test('are those of the services that the line names', async (t) => {
    const none = async () => t.same(await listed(box), [])
    t.match(await lookout.look(lookout.cron('alice'), '/tmp', none), seesHost)
    t.match(await lookout.look(lookout.app('systemd-user', 'alice'), '/tmp', none), seesHost)
    t.match(await lookout.look(lookout.login('alice')), { whose: 'alice' }, 'and no others')
    t.match(await lookout.look(lookout.app('crond', 'alice')), { whose: 'alice' }, 'also none that begins so')
  })

  await t.test('are also those of users whom only the service knows', async (t) => {
    t.match(await box.pamApp({ service: 'systemd-user', user: 'virtual' }), { open: 0, close: 0 })
    t.not((await box.pamApp({ service: 'crond', user: 'virtual' })).open, 0, 'any other is refused')
  })

  await t.test('are a display manager’s own, but not those of people', async (t) => {
    await box.sh('useradd -r -U greeter')
    const seesOf = (user: string, sessionClass: string) =>
      lookout.look(lookout.app('crond', user, { env: { XDG_SESSION_CLASS: sessionClass } }))
    t.match(await seesOf('greeter', 'greeter'), seesHost)
    t.match(await seesOf('greeter', 'lock-screen'), seesHost)
    t.match(await seesOf('greeter', 'user'), { whose: 'none', left: 'none' }, 'it has a private one else')
    t.match(await seesOf('alice', 'greeter'), { whose: 'alice' })
    t.match(await seesOf('alice', 'lock-screen'), { whose: 'alice' })
  })

  await t.test('are not what the user’s own ~/.pam_environment makes them', async (t) => {
    await box.write('/home/alice/.pam_environment', 'XDG_SESSION_CLASS=greeter\nXDG_SESSION_ID=../x\n')
    const how = await lookout.look(lookout.ssh('alice'), '/tmp', async () => {
      const classes = await box.sh('grep -hao "XDG_SESSION_CLASS=greeter" /proc/[0-9]*/environ | sort -u')
      t.equal(classes, 'XDG_SESSION_CLASS=greeter\n', 'pam_env has read it')
    })
    t.match(how, { whose: 'alice' })
    await box.sh('rm /home/alice/.pam_environment')
  })
})

t.test(
  'a session whose caller is killed is listed no more, and its namespace lives on',
  { skip },
  async (t) => {
    const lookout = await machine(PAM_LINE)
    await using box = lookout.box
    const held = await box.pamHold({ service: 'crond', user: 'alice' })
    const alice = await Shell.open(box, 'alice')
    t.equal(alice.mntNs, held.report.opened.mntNs)
    await box.sh(`kill -9 ${held.pid}`)
    await lookout.until('its end', () => !box.processes().some(({ pid }) => pid === held.pid))
    t.match(await listed(box), [{ user: 'alice', service: 'sshd' }])
    t.equal((await lookout.look(lookout.ssh('alice'))).ns, alice.mntNs, 'the next one joins the other')
    t.equal((await box.sh('ls /run/polyns/sessions')).trim().split('\n').length, 1, 'and drops the record')
    await alice.close()
  },
)
