// sudo and su in a loop. sudo as it is mostly called, from a user's own private session; su by root, to a user.
import { spawnSync } from 'node:child_process'
import { copyFileSync, writeFileSync } from 'node:fs'
import { addUsers, installPolyns, LINES, pamStack, report, setUpPamNamespace, sh, sized } from '../inside.mjs'

const rounds = sized(5, 1)
const LOOP = sized(15, 4)

installPolyns()
setUpPamNamespace()
const [user] = addUsers('bench', 1, 6000)
writeFileSync('/etc/sudoers.d/bench', `${user} ALL=(ALL:ALL) NOPASSWD: ALL\n`, { mode: 0o440 })
const OUT_OF = {
  'no module': LINES.none,
  pam_namespace: `${LINES.namespace} unmnt_remnt`,
  polyns: `${LINES.polyns} --global`,
}
const INTO = { 'no module': LINES.none, pam_namespace: LINES.namespace, polyns: LINES.polyns }
const holder = { 'no module': 'none', pam_namespace: 'namespace', polyns: 'polyns' }
for (const [name, line] of Object.entries(INTO)) pamStack(`login-${holder[name]}`, line)

const sudo = Object.fromEntries(Object.keys(OUT_OF).map((name) => [name, []]))
const su = Object.fromEntries(Object.keys(INTO).map((name) => [name, []]))
const turns = Object.keys(OUT_OF)
for (let i = 0; i < rounds; i++) {
  for (const name of turns) {
    pamStack('sudo', OUT_OF[name])
    sudo[name].push(...fromSession(name))
    pamStack('su', INTO[name])
    su[name].push(...loop(['su', user, '-s', '/bin/sh', '-c', 'true']))
  }
  turns.reverse()
}
report([
  {
    kind: 'turns',
    id: 'sudo',
    title: `sudo -n true in a loop, from a session that has the same module`,
    unit: 'ms',
    base: 'pam_namespace',
    times: sudo,
  },
  {
    kind: 'turns',
    id: 'su',
    title: 'su USER -c true in a loop, by root',
    unit: 'ms',
    base: 'pam_namespace',
    times: su,
  },
])

/** hyperfine itself is in the session: su brings it there. */
function fromSession(name) {
  copyFileSync(`/etc/pam.d/login-${holder[name]}`, '/etc/pam.d/su')
  return loop(['sudo', '-n', 'true'], (command) => ['su', user, '-s', '/bin/sh', '-c', command])
}

function loop(command, within = (text) => ['/bin/sh', '-c', text]) {
  const out = sh('mktemp /var/tmp/bench.XXXXXX && chmod 666 /var/tmp/bench.*').trim().split('\n')[0]
  const quoted = command.map((word) => `'${word}'`).join(' ')
  const hyperfine = `hyperfine -N --style none --warmup 1 --runs ${LOOP} --export-json ${out} "${quoted}"`
  const [program, ...args] = within(hyperfine)
  const { status, stderr } = spawnSync(program, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`'${hyperfine}' gave status ${status}: ${stderr}`)
  const { results } = JSON.parse(sh(`cat ${out}; rm ${out}`))
  return results[0].times.map((s) => s * 1000)
}
