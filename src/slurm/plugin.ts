/*
 * Whether Slurm gives its jobs private directories of its own: job_container/tmpfs, which is namespace/tmpfs since 25.11, and
 * namespace/linux. Each task then joins the job's namespace after the PAM session is open, out of whatever polyns has made.
 */
import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { isStepDaemon } from './job.js'

const DEFAULT_CONF = '/etc/slurm/slurm.conf'
/** Where the distributions and a slurmd without a file of its own (configless) have it. */
const OTHER_CONFS = ['/run/slurm/conf/slurm.conf', '/etc/slurm-llnl/slurm.conf', '/usr/local/etc/slurm.conf']
const MAX_FILES = 32

/** slurm.conf(5): several `Name=value` may share a line, names in any case, `#` begins a comment. @returns by lower-case name */
export function parseSlurmConf(text: string): Map<string, string> {
  return new Map(settingsIn(text))
}

/** The same in their order, each as often as it is there: Epilog may come more than once. */
export function settingsIn(text: string): [name: string, value: string][] {
  return text
    .replace(/\\\n/g, ' ')
    .split('\n')
    .flatMap((line) => {
      const code = line.replace(/(^|[^\\])#.*/, '$1')
      const found = code.matchAll(/\b(\w+)\s*=\s*(?:"([^"]*)"|(\S+))/g)
      return Array.from(found, ([, name = '', quoted, plain]): [string, string] => {
        return [name.toLowerCase(), quoted ?? plain ?? '']
      })
    })
}

/** The plugin that these settings name, as `job_container/tmpfs`; null: tasks stay where PAM has put them. */
export function pluginIn(settings: ReadonlyMap<string, string>): string | null {
  const isOn = (value: string | undefined) =>
    value !== undefined && /^(?:job_container\/tmpfs|namespace\/(?!none$).+)$/i.test(value)
  return [settings.get('namespacetype'), settings.get('jobcontainertype')].find(isOn) ?? null
}

/**
 * The plugin with which slurmstepd, process `pid`, runs its job, and the file that says so. A slurm.conf that cannot be read
 * names none.
 */
export function pluginOf(pid: number): { plugin: string; file: string } | null {
  const file = confOf(pid)
  const plugin = pluginIn(parseSlurmConf(readWhole(file)))
  return plugin === null ? null : { plugin, file }
}

/** The slurm.conf of this machine and its text, with what it includes. @returns null: there is none */
export function readSlurmConf(): { file: string; text: string } | null {
  const file = [DEFAULT_CONF, ...OTHER_CONFS].find((path) => read(path) !== '')
  return file === undefined ? null : { file, text: readWhole(file) }
}

/** slurmd hands SLURM_CONF on to slurmstepd; nobody but root chooses what a real slurmstepd starts with. */
function confOf(pid: number): string {
  const given = isStepDaemon(pid)
    ? /(?:^|\0)SLURM_CONF=(\/[^\0]*)/.exec(read(`/proc/${pid}/environ`))?.[1]
    : undefined
  return given ?? DEFAULT_CONF
}

/** With the files that its lines `Include` name, relative to its own directory, in place. */
function readWhole(file: string, seen: Set<string> = new Set()): string {
  if (seen.has(file) || seen.size >= MAX_FILES) return ''
  seen.add(file)
  return read(file).replace(/^[ \t]*include[ \t]+(\S+).*$/gim, (_, path: string) =>
    readWhole(resolve(dirname(file), path), seen),
  )
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
