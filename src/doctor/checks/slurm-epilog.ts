/* Whether the epilog cleans up after jobs, and has the time for it. */
import { command } from '../../propagation/step.js'
import { type Check, type Finding, note, ok, warning } from '../finding.js'
import type { Host } from '../host.js'
import { parentsOf } from '../places.js'
import { jobsByPam, type Slurm, setLines } from '../slurm.js'

const OURS = '/etc/slurm/epilog.d/polyns'
/** As `polyns epilog` has them without options. */
const DEFAULT_S = { wait: 0, budget: 30 }
const UNITS: Readonly<Record<string, number>> = { '': 1, s: 1, m: 60, h: 3600, d: 86_400 }
/** What else an epilog takes, at least. */
const SPARE_S = 5

export const slurmEpilog: Check = {
  id: 'slurm-epilog',
  title: 'The epilog cleans up after jobs',
  status: 3,
  run(host) {
    const slurm = jobsByPam(host)
    if (slurm === null || parentsOf(host).length === 0) return []
    const scripts = slurm.all('epilog').flatMap((value) => filesOf(host, value))
    const calls = scripts.flatMap((path) => callsIn(path, host.read(path) ?? ''))
    if (calls.length === 0) return [tellMissing(host, slurm, scripts)]
    return calls.map((call) => judgeTime(slurm, call))
  },
}

/** One script, or those that a pattern with `*` in its last component matches. */
function filesOf(host: Host, value: string): string[] {
  if (!value.includes('*')) return [value]
  const slash = value.lastIndexOf('/')
  const [before = '', after = ''] = value.slice(slash + 1).split('*')
  const names = host.list(value.slice(0, slash)) ?? []
  return names
    .filter((name) => name.startsWith(before) && name.endsWith(after))
    .map((name) => `${value.slice(0, slash)}/${name}`)
}

interface Call {
  path: string
  line: number
  waitS: number
  budgetS: number
}

function callsIn(path: string, text: string): Call[] {
  return text.split('\n').flatMap((raw, index) => {
    const args = /^[^#]*\bpolyns\s+epilog\b(.*)/.exec(raw)?.[1]
    if (args === undefined) return []
    const { wait, budget } = DEFAULT_S
    const waitS = secondsOf('wait', args) ?? wait
    return [{ path, line: index + 1, waitS, budgetS: secondsOf('budget', args) ?? budget }]
  })
}

function secondsOf(option: string, args: string): number | null {
  const [, number, unit = ''] = new RegExp(`--${option}[= ](\\d+)([smhd]?)\\b`).exec(args) ?? []
  return number === undefined ? null : Number(number) * (UNITS[unit] ?? 1)
}

function tellMissing(host: Host, { file }: Slurm, scripts: readonly string[]): Finding {
  const why =
    "what a job leaves in its private directories stays, and fills disk and memory until 'polyns reap' runs"
  if (scripts.length > 0) {
    const saw = `${file}: Epilog=${scripts.join(',')} does not call 'polyns epilog'`
    return note(saw, `${why}; add 'polyns epilog --wait 5s' to it`)
  }
  const mend = [
    `mkdir -p ${OURS.slice(0, OURS.lastIndexOf('/'))}`,
    `printf '#!/bin/sh\\nexec /usr/sbin/polyns epilog --wait 5s\\n' >${OURS}`,
    `chmod 755 ${OURS}`,
    ...setLines(host, file, 'Epilog', OURS),
  ]
  return note(`${file}: there is no Epilog`, why, ...mend)
}

function judgeTime({ file, settings }: Slurm, { path, line, waitS, budgetS }: Call): Finding {
  const [name, limit] = (['EpilogTimeout', 'PrologEpilogTimeout'] as const)
    .map((one) => [one, Number(settings.get(one.toLowerCase()) ?? Number.NaN)] as const)
    .find(([, seconds]) => Number.isInteger(seconds) && seconds > 0) ?? ['', 0]
  const saw = `${path}:${line}: --wait ${waitS}s and --budget ${budgetS}s`
  if (limit === 0 || waitS + budgetS < limit) return ok(saw)
  const why = 'slurmd kills the epilog before it has ended, and drains the node'
  const rest = limit - waitS - SPARE_S
  const told = `${saw}, but ${file}: ${name}=${limit}`
  if (rest < 1) return warning(told, `${why}; give them less, or ${name} more`)
  const edit = `${line}s/(polyns +epilog)((.*) --budget[= ][0-9]+[smhd]?)?/\\1\\3 --budget ${rest}s/`
  return warning(told, why, command('sed', '-Ei', edit, path))
}
