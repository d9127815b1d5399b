// npm run bench: what one session open costs, side by side with the least that any Node program with koffi costs.
// Has its own /run, /tmp, /dev/shm. A shell plays the PAM application: it starts the helper and waits, and is adopted, as sshd
// is under pam_exec.
import { spawn, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { checkout, enclose, polyns, printMachine, printTimes, sh, time } from './common.mjs'

const rounds = Number(process.env.ROUNDS ?? 60)

enclose(import.meta.url)
for (const dir of ['/tmp', '/dev/shm']) sh(`mount -t tmpfs -o mode=1777 bench ${dir}`)
for (const dir of ['/run', '/mnt']) sh(`mount -t tmpfs -o mode=755 bench ${dir}`)
// nobody is in every passwd file; root is whoever starts this.
writeFileSync(
  '/mnt/namespace.conf',
  '/tmp /tmp/inst/ user:noinit root\n/dev/shm /dev/shm/inst/ user:noinit root\n',
)

const env = { PAM_TYPE: 'open_session', PAM_SERVICE: 'bench', PAM_USER: 'nobody' }
const bin = `${checkout}bin/polyns pam --config /mnt/namespace.conf`
const bundle = `${polyns} pam --config /mnt/namespace.conf`
const proof = '&& grep -q "/inst/nobody /tmp" /proc/self/mountinfo'

// Each is a shell command; `true` after it keeps the shell from becoming the program that it should wait for.
const subjects = {
  'node -e 0': `${process.execPath} -e 0; true`,
  'node, koffi loaded': `${process.execPath} -e 'require("koffi")'; true`,
  'polyns, nothing to do': `PAM_USER=root ${bundle} || exit 1; true`,
  'polyns, built': `${bundle} || exit 1; true`,
  'polyns, built, by its launcher': `${bin} || exit 1; true`,
}

sh(`${bundle} ${proof}`, { env }) // or what is measured does not work

const times = measure(subjects)
const held = spawn('/bin/sh', ['-c', `${bundle} && echo open && read _`], {
  env,
  cwd: checkout,
  stdio: ['pipe', 'pipe', 'inherit'],
})
await new Promise((resolve) => held.stdout.once('data', resolve))
const joined = measure({
  'node, koffi loaded': subjects['node, koffi loaded'],
  'polyns, joined': subjects['polyns, built'],
})
held.stdin.end()

printMachine(`${rounds} rounds in turn`)
printTimes(times, 'node, koffi loaded')
console.log()
printTimes(joined, 'node, koffi loaded')

/** Runs all in turn, round by round, so that a machine that gets slower does so for all of them. */
function measure(commands) {
  const result = Object.fromEntries(Object.keys(commands).map((name) => [name, []]))
  for (const command of Object.values(commands)) run(command) // warm
  for (let i = 0; i < rounds; i++) {
    for (const [name, command] of Object.entries(commands)) result[name].push(run(command))
  }
  return result
}

function run(command) {
  const { ms, result } = time(() =>
    spawnSync('/bin/sh', ['-c', command], { cwd: checkout, env, stdio: 'ignore' }),
  )
  if (result.status !== 0) throw new Error(`'${command}' gave status ${result.status}`)
  return ms
}
