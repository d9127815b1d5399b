// npm test [-- FILES...]: everything from a fresh clone to the totals. Only Node's own modules until the dependencies are in.
//   1. npm ci, if node_modules is missing or older than package-lock.json; the bundle; in CI also lint and types
//   2. the tests that need no root
//   3. as root: the package layer (test/support/layer.sh), then the tests in test/root, in namespaces of the run
// test/vm runs only when it is named (npm run test:vm).
// The last line is `N passed, N failed, N skipped`, summed from what tap reports. Environment: CI, POLYNS_FORBID_SKIP=1.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'

const top = fileURLToPath(new URL('..', import.meta.url))
const cache = join(top, '.cache')
const forbidSkip = process.env.POLYNS_FORBID_SKIP === '1'
const root = process.geteuid() === 0

/** Runs a command to its end and gives its exit status. */
async function step(title, command, args, env = {}) {
  console.log(`# ${title}`)
  const tty = process.stdout.isTTY
  const child = spawn(command, args, {
    cwd: top,
    stdio: ['ignore', tty ? 'inherit' : 'pipe', 'inherit'],
    env: { ...process.env, ...(tty ? {} : { CONTINUOUS_INTEGRATION: 'true' }), ...env }, // tap: no moving display
  })
  // Into a file tap still writes "show the cursor", just before what would be our last line.
  child.stdout
    ?.setEncoding('utf8')
    .on('data', (text) => process.stdout.write(text.replaceAll('\u001b[?25h', '')))
  const closed = once(child, 'close').catch(() => {})
  try {
    const [status, signal] = await once(child, 'exit')
    await Promise.race([closed, setTimeout(2000, undefined, { ref: false })]) // a process left behind may hold the pipe
    return signal ? 128 : status
  } catch (error) {
    console.log(`# ${command}: ${error.message}`)
    return 127
  }
}

async function must(title, command, args) {
  const status = await step(title, command, args)
  if (status === 0) return
  console.log(`# failed: ${title}\n0 passed, 1 failed, 0 skipped`)
  process.exit(1)
}

async function prepare() {
  const installed = join(top, 'node_modules/.package-lock.json')
  const wanted = join(top, 'package-lock.json')
  if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(wanted).mtimeMs) {
    const quiet = ['--no-fund', '--no-audit', '--loglevel=error']
    await must('dependencies', 'npm', ['ci', ...quiet])
  }
  await must('build', process.execPath, ['tools/build.mjs'])
  if (process.env.CI) await must('lint and types', 'npm', ['run', '-s', 'lint'])
}

/** The test files below the given files and directories, relative to the checkout. */
function testFiles(paths) {
  return paths.flatMap((path) => {
    if (!existsSync(path)) throw new Error(`no such test: ${path}`)
    if (!statSync(path).isDirectory()) return [relative(top, path)]
    return readdirSync(path, { recursive: true })
      .filter((name) => name.endsWith('.test.ts'))
      .map((name) => relative(top, join(path, name)))
      .sort()
  })
}

const tap = join(top, 'node_modules/.bin/tap')
const tapArgs = (files, output) => ['--reporter=base', `--output-file=${output}`, ...files]

/** Runs tap on what needs no root. */
function runPlain(files, output, tmp) {
  return step(`${files.length} test files without root`, tap, tapArgs(files, output), { TMPDIR: tmp })
}

/** Runs tap on whole machines, one after the other: they bring a sandbox, a layer and time limits of their own. */
function runMachines(files, output, tmp) {
  const args = ['--timeout=5400', '--jobs=1', ...tapArgs(files, output)]
  return step(`${files.length} test files on booted machines`, tap, args, { TMPDIR: tmp })
}

/** Runs tap on the tests in test/root. Without root, or without a layer, they skip themselves and say why. */
async function runRoot(files, output, tmp) {
  const what = `${files.length} test files ${root ? 'as root' : 'that need root'}`
  if (!root) return step(what, tap, tapArgs(files, output), { TMPDIR: tmp })
  console.log('# package layer')
  const layer = spawnSync(join(top, 'test/support/layer.sh'), ['ensure'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
  })
  if (layer.status !== 0) {
    const env = { TMPDIR: tmp, POLYNS_TEST_NO_LAYER: 'it could not be built, see above' }
    return step(what, tap, tapArgs(files, output), env)
  }
  const before = readFileSync('/proc/self/mountinfo', 'utf8')
  const unshare = 'unshare --mount --pid --fork --kill-child=KILL --mount-proc --propagation private --'
  const inside = [join(top, 'test/support/run.sh'), layer.stdout.trim(), tap, ...tapArgs(files, output)]
  // If this process is killed, the kernel ends the whole run.
  const status = await step(what, 'setpriv', ['--pdeathsig', 'KILL', '--', ...unshare.split(' '), ...inside])
  if (readFileSync('/proc/self/mountinfo', 'utf8') === before) return status
  console.log('# the mount table of this machine is not what it was before the tests')
  return 1
}

/** Adds up the assertions in a TAP file; subtests and files are not counted besides what they hold. */
async function count(output, totals) {
  const { Parser } = await import('tap-parser') // what tap itself reads TAP with
  const parser = new Parser()
  parser.on('result', ({ ok, skip, todo, fullname, name, diag }) => {
    const what = fullname || name
    if (skip || todo) {
      totals.skipped++
      const reason = typeof skip === 'string' ? skip : skip ? 'no reason given' : `todo: ${todo}`
      totals.leftOut.set(reason, [...(totals.leftOut.get(reason) ?? []), what])
    } else if (ok) totals.passed++
    else {
      totals.failed++
      totals.failures.push(`# not ok: ${what}\n${explain(diag)}`)
    }
  })
  parser.end(existsSync(output) ? readFileSync(output, 'utf8') : '')
}

/** The useful part of what tap says about a failure. */
function explain(diag) {
  const { at, diff, stack, source: _, ...rest } = diag ?? {}
  const where = stack ?? (at ? `${at.fileName}:${at.lineNumber}` : '')
  const text = [where, diff ?? inspect(rest, { depth: 6, breakLength: 110 })].filter(Boolean).join('\n')
  return text.trimEnd().replace(/^/gm, '    ')
}

await prepare()
const wanted = process.argv.slice(2).map((path) => resolve(process.env.INIT_CWD ?? '.', path))
const rooms = ['unit', 'fuzz', 'root'].map((room) => join(top, 'test', room)).filter(existsSync)
const files = testFiles(wanted.length > 0 ? wanted : rooms)
const asRoot = (file) => file.startsWith('test/root/')
const onMachine = (file) => file.startsWith('test/vm/')
mkdirSync(cache, { recursive: true })
for (const name of readdirSync(cache)) {
  const pid = /^run-(\d+)$/.exec(name)?.[1]
  if (pid && !existsSync(`/proc/${pid}`)) rmSync(join(cache, name), { recursive: true, force: true }) // of a killed run
}
const tmp = join(cache, `run-${process.pid}`)
mkdirSync(tmp)
const totals = { passed: 0, failed: 0, skipped: 0, failures: [], leftOut: new Map() }
try {
  for (const [run, some] of [
    [runPlain, files.filter((file) => !asRoot(file) && !onMachine(file))],
    [runRoot, files.filter(asRoot)],
    [runMachines, files.filter(onMachine)],
  ]) {
    if (some.length === 0) continue
    const output = join(tmp, `${run.name}.tap`)
    const failedBefore = totals.failed
    const status = await run(some, output, tmp)
    await count(output, totals)
    // A crash, or a process left behind, fails the run even if no assertion did.
    if (status !== 0 && totals.failed === failedBefore) totals.failed++
  }
} finally {
  rmSync(tmp, { recursive: true, force: true })
}

if (!process.stdout.isTTY) for (const failure of totals.failures) console.log(failure) // on a terminal tap has shown them
for (const [reason, names] of totals.leftOut) {
  console.log(`# left out, ${reason}:`)
  for (const name of names) console.log(`#   ${name}`)
}
if (forbidSkip && totals.skipped > 0) console.log('# skips are forbidden here (POLYNS_FORBID_SKIP)')
console.log(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`)
process.exitCode =
  totals.failed > 0 || totals.passed + totals.skipped === 0 || (forbidSkip && totals.skipped > 0) ? 1 : 0
