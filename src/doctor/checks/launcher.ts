/*
 * The program that the PAM lines name: whoever could change it is root at the next login, and without it nobody logs in. It
 * must be bin/polyns, which has no loader, and not the script that this starts.
 */
import { existsSync, lstatSync, readdirSync, realpathSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { command } from '../../propagation/step.js'
import { childProcess } from '../../sys/lazy.js'
import { isExecutable, shippedPath } from '../../sys/program.js'
import { startsAlone } from '../elf.js'
import { type Check, error, type Finding, ok, warning } from '../finding.js'
import type { Host } from '../host.js'
import { callsOf } from '../pamcalls.js'

export const launcher: Check = {
  id: 'launcher',
  title: 'The program that the PAM lines call is safe, and starts',
  status: 5,
  run(host) {
    const programs = [...new Set(callsOf(host).map(({ program }) => program))]
    return programs.flatMap((program) => judgeProgram(program, host))
  },
}

const REFUSED = 'every login by a stack that names it is refused'

/** Also of a program that no PAM line names yet. */
export function judgeProgram(program: string, host: Host): Finding[] {
  if (!program.startsWith('/'))
    return [error(`${program}: not an absolute path`, `pam_exec runs no such thing: ${REFUSED}`)]
  const real = realPath(program)
  if (real === null) return [error(`${program} is not there`, REFUSED, ...link(program))]
  const rule = host.rules.find(({ polydir }) =>
    [program, real].some((path) => path.startsWith(`${polydir}/`)),
  )
  if (rule !== undefined) {
    const why = `in a session others than root choose what is there; install polyns outside of ${rule.polydir}`
    return [error(`${program} lies in ${rule.polydir}, which is private by ${rule.file}:${rule.line}`, why)]
  }
  const unsafe = waysTo(program, real).flatMap(judgePath)
  if (unsafe.length > 0) return unsafe // not to be run
  if ((lstatSync(real).mode & 0o111) === 0) {
    return [error(`${program} is not executable`, REFUSED, command('chmod', 'a+x', real))]
  }
  const started = start(program)
  return started.severity === 'ok' && !startsAlone(real) ? [tellLoader(program, real)] : [started]
}

function tellLoader(program: string, real: string): Finding {
  const saw = `${program}${program === real ? '' : `, which is ${real},`} needs a loader: it is not the launcher that 'npm run build' makes`
  const why =
    "the loader obeys LD_PRELOAD of the PAM environment, as root; some stacks take that from a user's ~/.pam_environment"
  // A file, not a link, is somebody's own, and no command of ours may replace it.
  return warning(saw, why, ...(lstatSync(program).isSymbolicLink() ? link(program) : []))
}

function realPath(path: string): string | null {
  try {
    return realpathSync.native(path)
  } catch (thrown) {
    if (['ENOENT', 'ENOTDIR'].includes((thrown as NodeJS.ErrnoException).code ?? '')) return null
    throw thrown
  }
}

/** To this polyns, where it is installed as a package is. */
function link(program: string): string[] {
  const own = shippedPath(isExecutable ? 'polyns' : 'bin/polyns')
  return startsAlone(own) && own !== program ? [command('ln', '-sfn', own, program)] : []
}

/** The files that are run, and each directory that leads to them by the path as it is written and as it really is. */
function waysTo(program: string, real: string): string[] {
  const bundle = resolve(dirname(real), '../dist')
  const bundled = ['start.cjs', 'polyns.cjs', 'pam.cjs', 'pam.cache', 'polyns.cache'].map(
    (name) => `${bundle}/${name}`,
  )
  const beside = readdirSync(dirname(real))
    .filter((name) => /^(polyns\.sh|polyns-node|koffi-.*\.node)$/.test(name))
    .map((name) => join(dirname(real), name))
  const files = [real, ...beside, ...bundled.filter((file) => existsSync(file))]
  const written = [program, join(realpathSync.native(dirname(program)), basename(program))]
  return [...new Set([...[...written, ...files].flatMap(above), ...files])]
}

function above(path: string): string[] {
  const parent = dirname(path)
  return parent === path ? [] : [...above(parent), parent]
}

function judgePath(path: string): Finding[] {
  const stat = lstatSync(path)
  const isLink = stat.isSymbolicLink() // its mode says nothing, and what it leads to is among the others
  const isOthers = stat.uid !== 0
  const isOpen = !isLink && (stat.mode & 0o022) !== 0
  if (!isOthers && !isOpen) return []
  const saw = isOthers
    ? `${path} belongs to uid ${stat.uid}`
    : `${path} can be written by others (mode 0${(stat.mode & 0o7777).toString(8)})`
  const why = 'whoever can change what polyns is made of is root at the next login'
  const mend = [
    ...(isOthers ? [command('chown', '-h', 'root:root', path)] : []),
    ...(isOpen ? [command('chmod', 'go-w', path)] : []),
  ]
  return [error(saw, why, ...mend)]
}

/** As PAM would, where a Node that only PATH leads to does not count. */
function start(program: string): Finding {
  const env = { PAM_TYPE: 'open_session' }
  const { status, stdout, stderr } = childProcess().spawnSync(program, ['--version'], {
    cwd: '/',
    env,
    encoding: 'utf8',
    timeout: 20_000,
    killSignal: 'SIGKILL',
  })
  if (status === 0) return ok(`${program} ${stdout.trim()}`)
  const said = (stderr ?? '').trim().split('\n')[0] || `status ${status}`
  return error(
    `${program} does not start: ${said}`,
    `${REFUSED}; it needs Node.js 20.16 or newer at one of these paths`,
  )
}
