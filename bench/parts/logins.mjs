// Logins through real sshd, one at a time, and 50 at once. sshd reads its PAM stack at each login, so one sshd does for all.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, renameSync, writeFileSync } from 'node:fs'
import { InTurn } from '../in-turn.mjs'
import {
  addUsers,
  hold,
  installPolyns,
  LINES,
  pamStack,
  report,
  setUpPamNamespace,
  sh,
  sized,
} from '../inside.mjs'

const AT_ONCE = sized(50, 10)
const rounds = sized(25, 3)
const bursts = sized(7, 1)

installPolyns()
setUpPamNamespace()
for (const [name, line] of Object.entries(LINES)) pamStack(`bench-${name}`, line)
const crowd = addUsers('crowd', AT_ONCE, 7000)
const [builds, joins] = addUsers('bench', 2, 6000)
const sshd = await startSshd()
const held = await hold(joins)

const login = (stack, user) => ({
  prepare: `cp /etc/pam.d/bench-${stack} /etc/pam.d/sshd`,
  command: `ssh ${user}@127.0.0.1 true`,
})
const single = new InTurn({
  'no module': login('none', builds),
  pam_namespace: login('namespace', builds),
  'pam_exec /bin/true': login('true', builds),
  'polyns, building': login('polyns', builds),
  'polyns, joining': login('polyns', joins),
  'polyns of the checkout, building': login('node', builds),
})
single.warmUp()
for (let i = 0; i < rounds; i++) single.round()

const ONE = Array.from({ length: AT_ONCE }, () => joins)
const CONTESTANTS = {
  'no module': ['none', crowd],
  pam_namespace: ['namespace', crowd],
  polyns: ['polyns', crowd],
  'no module, all of one user': ['none', ONE],
  'pam_namespace, all of one user': ['namespace', ONE],
  'polyns, all of one user': ['polyns', ONE],
}
const times = Object.fromEntries(Object.keys(CONTESTANTS).map((name) => [name, []]))
const failures = Object.fromEntries(Object.keys(CONTESTANTS).map((name) => [name, 0]))
for (const stack of ['namespace', 'polyns']) await burst(stack, crowd) // each user's directories are there then
const turns = Object.entries(CONTESTANTS)
for (let i = 0; i < bursts; i++) {
  for (const [name, [stack, users]] of turns) {
    const { ms, failed } = await burst(stack, users)
    times[name].push(ms)
    failures[name] += failed
  }
  turns.reverse()
}
held.end()
sshd.kill()

const ofOneUser = ([name]) => name.endsWith('of one user')
const only = (entries, is) => Object.fromEntries(Object.entries(entries).filter(is))
report([
  {
    kind: 'turns',
    id: 'ssh',
    title: 'ssh HOST true, one at a time',
    unit: 'ms',
    base: 'pam_namespace',
    times: single.times,
  },
  {
    kind: 'turns',
    id: 'ssh-at-once',
    title: `${AT_ONCE} logins at once through sshd, each of another user: until the last has ended`,
    unit: 'ms',
    base: 'pam_namespace',
    times: only(times, (entry) => !ofOneUser(entry)),
    failures: only(failures, (entry) => !ofOneUser(entry)),
    goals: [{ name: 'polyns', most: 1.5 }],
  },
  {
    kind: 'turns',
    id: 'ssh-at-once-one-user',
    title: `${AT_ONCE} logins at once through sshd, all of one user, who has a session`,
    unit: 'ms',
    base: 'pam_namespace, all of one user',
    times: only(times, ofOneUser),
    failures: only(failures, ofOneUser),
    goals: [{ name: 'polyns, all of one user', most: 1.5 }],
  },
])

async function startSshd() {
  sh('install -m 644 /root/.ssh/id_ed25519.pub /etc/ssh/keys && mkdir -p /run/sshd')
  writeFileSync(
    '/etc/ssh/sshd_config',
    [
      'ListenAddress 127.0.0.1',
      'HostKey /etc/ssh/ssh_host_ed25519_key',
      'AuthorizedKeysFile /etc/ssh/keys',
      'UsePAM yes',
      'UseDNS no',
      'PrintMotd no',
      `MaxStartups ${10 * AT_ONCE}`, // Debian's 10:30:100 turns away whoever comes eleventh
      '',
    ].join('\n'),
  )
  copyFileSync('/etc/pam.d/bench-none', '/etc/pam.d/sshd')
  const sshd = spawn('/usr/sbin/sshd', ['-D', '-e'], { stdio: 'ignore' })
  for (let i = 0; i < 100; i++) {
    if (spawnSync('ssh', ['root@127.0.0.1', 'true']).status === 0) return sshd
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error('sshd does not answer')
}

/** One login of each; a process of its own for each client, as on as many machines. */
async function burst(stack, users) {
  copyFileSync(`/etc/pam.d/bench-${stack}`, '/etc/pam.d/sshd.new')
  renameSync('/etc/pam.d/sshd.new', '/etc/pam.d/sshd')
  const start = process.hrtime.bigint()
  const clients = users.map((user) =>
    spawn('ssh', ['-o', 'ConnectTimeout=120', `${user}@127.0.0.1`, 'true'], { stdio: 'ignore' }),
  )
  const ended = await Promise.all(clients.map((client) => once(client, 'exit')))
  const ms = Number(process.hrtime.bigint() - start) / 1e6
  return { ms, failed: ended.filter(([status]) => status !== 0).length }
}
