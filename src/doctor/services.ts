/* The services that open sessions, those that run and those that systemd only knows of, and how each is restarted. */
import { command } from '../propagation/step.js'
import type { Daemon } from './daemons.js'
import type { Host } from './host.js'
import { readUnit, type Setting } from './unit.js'

const UNITS = [
  'ssh.service',
  'sshd.service',
  'ssh@.service',
  'sshd@.service',
  'cron.service',
  'crond.service',
  'atd.service',
  'slurmd.service',
  'gdm.service',
  'gdm3.service',
  'lightdm.service',
  'sddm.service',
  'getty@.service',
  'serial-getty@.service',
]

/** Scripts of /etc/init.d, by the PAM service. */
const SCRIPTS: Readonly<Record<string, readonly string[]>> = {
  sshd: ['ssh', 'sshd'],
  cron: ['cron'],
  crond: ['crond'],
  atd: ['atd'],
  slurm: ['slurmd'],
  'gdm-password': ['gdm3', 'gdm'],
  lightdm: ['lightdm'],
  sddm: ['sddm'],
}

export interface Service {
  /** Of systemd; null: it is not systemd's. */
  unit: string | null
  settings: readonly Setting[]
  /** The processes of it that run, one each. */
  daemons: readonly Daemon[]
}

/** @returns those that run, and of systemd's units those that could */
export function servicesOf(host: Host): Service[] {
  const units = new Set(host.hasSystemd ? [...UNITS, ...host.daemons.flatMap(({ unit }) => unit ?? [])] : [])
  const named = [...units].flatMap((unit): Service[] => {
    const settings = readUnit(unit, host)
    const daemons = host.daemons.filter((daemon) => daemon.unit === unit)
    return settings === null && daemons.length === 0 ? [] : [{ unit, settings: settings ?? [], daemons }]
  })
  const others = host.daemons.filter(({ unit }) => unit === null || !units.has(unit))
  return [...named, ...others.map((daemon) => ({ unit: null, settings: [], daemons: [daemon] }))]
}

/** A drop-in with these lines, and the restart that makes them count. @param kind tells it from those of other checks */
export function dropIn({ unit, daemons }: Service, kind: string, lines: readonly string[]): string[] {
  if (unit === null) return []
  const directory = `/etc/systemd/system/${unit}.d`
  // The last by name has the say; what an earlier mend has put there stays.
  const file = `${directory}/zz-polyns-${kind}.conf`
  return [
    command('mkdir', '-p', directory),
    `printf '%s\\n' ${['[Service]', ...lines].map((line) => command(line)).join(' ')} >>${command(file)}`,
    'systemctl daemon-reload',
    ...(daemons.length === 0 ? [] : [command('systemctl', 'restart', unit)]),
  ]
}

/** Its restart, as a child of pid 1 or of whoever types this; none where it is not known how it is started. */
export function restart({ unit, daemons }: Service, host: Host): string[] {
  if (unit !== null) return [command('systemctl', 'restart', unit)]
  const [daemon] = daemons
  const scripts = host.list('/etc/init.d') ?? []
  const script = (SCRIPTS[daemon?.service ?? ''] ?? []).find((name) => scripts.includes(name))
  return script === undefined ? [] : [command('nsenter', '-t', '1', '-m', `/etc/init.d/${script}`, 'restart')]
}

/** `ssh.service`, or the process where there is no unit. */
export function nameOf({ unit, daemons: [daemon] }: Service): string {
  return unit ?? `${daemon?.exe} (pid ${daemon?.pid})`
}
