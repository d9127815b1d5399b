/* The program that the PAM lines name: a link to the launcher of this polyns, whose whole tree must be root's alone. */
import { lstatSync, readdirSync, realpathSync, type Stats } from 'node:fs'
import { dirname, join } from 'node:path'
import { judgeProgram } from '../doctor/checks/launcher.js'
import type { Host } from '../doctor/host.js'
import { PROGRAM } from '../doctor/pamline.js'
import { octal } from '../ns/instance.js'
import { command } from '../propagation/step.js'
import { shippedPath } from '../sys/program.js'
import { stateOf } from './files.js'
import type { Part } from './part.js'
import type { Problem } from './stack.js'

/** Of a checkout or an npm package bin/polyns; of the distribution's package the one beside the program. */
export function launcherPath(): string {
  const [first = '', ...others] = [shippedPath('bin/polyns'), shippedPath('polyns'), PROGRAM]
  return [first, ...others].find((path) => stateOf(path) !== null) ?? first
}

export function planProgram(host: Host): Part {
  const launcher = launcherPath()
  const problems = [...judgeTree(launcher), ...judgeLauncher(launcher, host)]
  const line = command('ln', '-s', launcher, PROGRAM)
  if (problems.length > 0) return { work: [], steps: [], problems }
  if (stateOf(PROGRAM) === null)
    return { work: [{ action: { kind: 'link', path: PROGRAM, target: launcher } }], steps: [], problems }
  if (realPath(PROGRAM) === realPath(launcher))
    return { work: [], steps: [{ outcome: 'already', command: line, note: '' }], problems }
  const why = `is another program than this polyns, ${launcher}: install with that one, or move it away`
  return { work: [], steps: [], problems: [{ file: PROGRAM, line: 0, why }] }
}

function judgeLauncher(launcher: string, host: Host): Problem[] {
  const findings = judgeProgram(launcher, host).filter(({ severity }) => severity !== 'ok')
  return findings.map(({ saw, why, mend }) => ({
    file: '',
    line: 0,
    why: [`${saw}: ${why}`, ...mend.map((line) => `\n  # ${line}`)].join(''),
  }))
}

/** What a login loads besides the launcher, which doctor judges. */
const PARTS = ['dist', 'config', 'node_modules/koffi', 'node_modules/@koromix']

function judgeTree(launcher: string): Problem[] {
  const real = realPath(launcher) ?? launcher
  const roots = [dirname(real), ...PARTS.map((part) => shippedPath(part))]
  // In /usr/sbin, where a packager may put it, are others.
  const own = roots.filter((path) => stateOf(path) !== null && !/^\/(usr\/)?(local\/)?s?bin$/.test(path))
  const problems = own.flatMap((path) => judgeAll(path, 0))
  return problems.slice(0, MAX_TOLD)
}

const MAX_DEPTH = 12
const MAX_TOLD = 5 // all the others have the same remedy

function judgeAll(path: string, depth: number): Problem[] {
  const stat = lstatSync(path)
  const why = whyNotRoots(stat)
  const remedy =
    'whoever can change it is root at the next login; chown -R root:root and chmod -R go-w its tree'
  const own: Problem[] = why === null ? [] : [{ file: path, line: 0, why: `${why}: ${remedy}` }]
  if (!stat.isDirectory() || depth > MAX_DEPTH) return own
  return [...own, ...readdirSync(path).flatMap((name) => judgeAll(join(path, name), depth + 1))]
}

function whyNotRoots(stat: Stats): string | null {
  if (stat.uid !== 0) return `belongs to uid ${stat.uid}`
  const isOpen = !stat.isSymbolicLink() && (stat.mode & 0o022) !== 0
  return isOpen ? `can be written by others (mode ${octal(stat.mode & 0o7777)})` : null
}

function realPath(path: string): string | null {
  try {
    return realpathSync.native(path)
  } catch {
    return null // a link that leads nowhere is not this polyns
  }
}
