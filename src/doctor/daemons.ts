/*
 * The running services that open sessions: what polyns will have to adopt, or be started by. Told by the executable, which
 * a user cannot choose for a process of root's.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** Executables that call PAM for others and stay, by the name of their PAM service. */
const SERVICES: Readonly<Record<string, string>> = {
  sshd: 'sshd',
  'sshd-session': 'sshd',
  cron: 'cron',
  crond: 'crond',
  atd: 'atd',
  gdm3: 'gdm-password',
  gdm: 'gdm-password',
  lightdm: 'lightdm',
  sddm: 'sddm',
  slurmd: 'slurm',
  slurmstepd: 'slurm',
  'slurmd-wlm': 'slurm',
  'slurmstepd-wlm': 'slurm',
}

export interface Daemon {
  pid: number
  /** The executable's path; without ` (deleted)`, which an upgrade leaves behind. */
  exe: string
  /** The PAM service it opens sessions for. */
  service: string
  /** /proc/PID/status, by field. */
  status: ReadonlyMap<string, string>
  /** systemd's unit, `ssh.service`; null: none, or a user's session scope. */
  unit: string | null
}

/** The services' own processes, not those that serve one session: of several with one executable the outermost. */
export function readDaemons(): Daemon[] {
  const found = readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? readDaemon(Number(name)) : []))
  const byPid = new Map(found.map((daemon) => [daemon.pid, daemon]))
  return found.filter((daemon) => byPid.get(Number(daemon.status.get('PPid')))?.service !== daemon.service)
}

function readDaemon(pid: number): Daemon[] {
  try {
    const exe = readlinkSync(`/proc/${pid}/exe`).replace(/ \(deleted\)$/, '')
    const service = SERVICES[exe.slice(exe.lastIndexOf('/') + 1)]
    if (service === undefined) return []
    const status = parseStatus(readFileSync(`/proc/${pid}/status`, 'utf8'))
    if (!status.get('Uid')?.startsWith('0\t')) return [] // a user's own copy of it; atd has daemon's effective uid
    return [{ pid, exe, service, status, unit: unitIn(readFileSync(`/proc/${pid}/cgroup`, 'utf8')) }]
  } catch {
    return [] // it has ended meanwhile, or is a kernel thread
  }
}

/** `Name:\tvalue` lines, proc_pid_status(5). */
export function parseStatus(text: string): Map<string, string> {
  return new Map(
    text.split('\n').flatMap((line) => {
      const colon = line.indexOf(':')
      return colon < 0 ? [] : [[line.slice(0, colon), line.slice(colon + 1).trim()] as const]
    }),
  )
}

/** The system unit of a cgroup file's lines, v1's name=systemd and v2 alike. */
export function unitIn(cgroup: string): string | null {
  return (
    /^(?:0:|\d+:name=systemd):\/system\.slice\/(?:[^/\n]+\.slice\/)*([^/\n]+\.service)/m.exec(cgroup)?.[1] ??
    null
  )
}
