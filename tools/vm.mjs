// npm run test:vm [-- bookworm|trixie ...]: the tests on booted machines (test/vm), which `npm test` leaves out unless told. They
// take the newest package in out/; without one it is made first. At the end: how long each step took.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const top = fileURLToPath(new URL('..', import.meta.url))
const SUITES = ['bookworm', 'trixie']
const wanted = process.argv.slice(2)
const strange = wanted.filter((name) => !SUITES.includes(name))
if (strange.length > 0) {
  console.error(`no machine '${strange[0]}': ${SUITES.join(', ')}`)
  process.exit(2)
}
const suites = wanted.length > 0 ? wanted : SUITES

/** Runs a command to its end; what it prints is ours. */
function run(command, args) {
  const { status, error } = spawnSync(command, args, {
    cwd: top,
    stdio: 'inherit',
    env: { ...process.env, INIT_CWD: top },
  })
  if (error) console.error(`${command}: ${error.message}`)
  return status ?? 1
}

const out = join(top, 'out')
const hasPackage = existsSync(out) && readdirSync(out).some((name) => name.endsWith('.deb'))
if (!hasPackage && run('npm', ['run', '-s', 'package']) !== 0) process.exit(1)
const status = run(process.execPath, ['tools/test.mjs', ...suites.map((suite) => `test/vm/${suite}.test.ts`)])
for (const suite of suites) {
  const times = join(out, 'vm', suite, 'times.txt')
  if (existsSync(times)) console.log(`# ${suite}\n${readFileSync(times, 'utf8').trimEnd()}`)
}
process.exitCode = status
