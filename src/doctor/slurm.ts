/* What SLURM is set up to do on this machine, and the lines that change it. */
import { command } from '../propagation/step.js'
import { parseSlurmConf, pluginIn, readSlurmConf, settingsIn } from '../slurm/plugin.js'
import type { Host } from './host.js'
import { findPamLine } from './pamline.js'

export interface Slurm {
  /** slurm.conf */
  file: string
  settings: ReadonlyMap<string, string>
  /** The values of a setting that may come more than once. */
  all(name: string): string[]
  /** Slurm's own private directories, as `job_container/tmpfs`; null: tasks stay where PAM has put them. */
  plugin: string | null
  /** Jobs run here: slurmd is installed. */
  isNode: boolean
}

const SLURMD = ['/usr/sbin', '/usr/local/sbin', '/opt/slurm/sbin', '/usr/bin']

/** @returns null: there is no slurm.conf */
export function slurmOf(host: Host): Slurm | null {
  const conf = readSlurmConf()
  if (conf === null) return null
  const settings = parseSlurmConf(conf.text)
  return {
    file: conf.file,
    settings,
    all: (name) => settingsIn(conf.text).flatMap(([found, value]) => (found === name ? [value] : [])),
    plugin: pluginIn(settings),
    isNode:
      host.daemons.some(({ service }) => service === 'slurm') ||
      SLURMD.some((directory) => host.list(directory)?.includes('slurmd')),
  }
}

/** That of a machine where jobs run, and where PAM decides what they see; null: it is no such one. */
export function jobsByPam(host: Host): Slurm | null {
  const slurm = slurmOf(host)
  return slurm?.isNode && slurm.plugin === null ? slurm : null
}

/** The file of SLURM's PAM stack, null: it has none of its own; and whether that calls polyns. */
export function slurmStack(host: Host): { file: string | null; callsPolyns: boolean } {
  const { stack, found } = findPamLine('slurm', (path) => host.read(path))
  const isOwn = stack?.endsWith('/slurm') === true
  return { file: isOwn ? stack : null, callsPolyns: found !== null }
}

/** Booleans of slurm.conf(5). */
export function isYes(value: string | undefined): boolean {
  return /^(?:1|yes|up|true)$/i.test(value ?? '')
}

/** The shell lines that set `name` in slurm.conf, and have it read again on all nodes. */
export function setLines(host: Host, file: string, name: string, value: string): string[] {
  const isThere = new RegExp(`^[^#\\n]*\\b${name}\\s*=`, 'im').test(host.read(file) ?? '')
  const setting = `${name}=${value}`
  const edit = isThere
    ? command('sed', '-Ei', `/^\\s*#/! s~\\b${name}\\s*=\\s*("[^"]*"|\\S+)~${setting}~I`, file)
    : `${command('echo', setting)} >>${command(file)}`
  return [edit, 'scontrol reconfigure']
}
