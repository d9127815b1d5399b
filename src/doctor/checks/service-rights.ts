/*
 * What is taken from the services that open sessions: polyns is their child, and has no more than they. A running one is
 * looked at as it runs; a unit as it would be started.
 */
import { probeCapabilities } from '../../sys/probe.js'
import { type Check, error, type Finding, note, ok } from '../finding.js'
import type { Host } from '../host.js'
import { forbiddenIn } from '../seccomp.js'
import { dropIn, nameOf, restart, type Service, servicesOf } from '../services.js'
import { capabilitiesIn, type Obstacle } from '../unit.js'

export const serviceRights: Check = {
  id: 'service-rights',
  title: 'The services leave polyns the rights that it needs',
  status: 4,
  run(host) {
    const services = servicesOf(host)
    if (services.length === 0) return []
    const findings = services.flatMap((service) => {
      const told = fromUnit(service)
      return [...told, ...fromProcess(service, told.length > 0, host)]
    })
    return findings.length === 0 ? [ok(services.map(nameOf).join(', '))] : findings
  },
}

const FATE = 'every session that it opens is refused'
const FILTERED =
  'polyns has it too. It works where the filter lets its calls pass; a session for which one does not is refused, and the log ' +
  'names the call, or the helper is ended by SIGSYS'

function fromUnit(service: Service): Finding[] {
  const where = ({ setting: { file, line, key, value } }: Obstacle) => `${file}:${line}: ${key}=${value}`
  const capabilities = capabilitiesIn(service.settings).map((obstacle) => {
    const why = `${FATE}: polyns needs ${obstacle.missing.join(', ')}`
    return error(where(obstacle), why, ...dropIn(service, 'capabilities', [obstacle.lift]))
  })
  const filters = forbiddenIn(service.settings)
  if (filters.length === 0) return capabilities
  const saw = filters.map(where).join('; ')
  const why = `${FATE}: polyns has the seccomp filter too, and needs ${filters.map(({ needs }) => needs).join(', ')}`
  const mend = dropIn(
    service,
    'seccomp',
    filters.map(({ lift }) => lift),
  )
  return [...capabilities, error(saw, why, ...mend)]
}

/** @param isTold the unit says it already, and its restart mends this too */
function fromProcess(service: Service, isTold: boolean, host: Host): Finding[] {
  return service.daemons.flatMap((daemon) => {
    const { pid, exe, status } = daemon
    const who = `${exe} (pid ${pid})`
    const again = restart({ ...service, daemons: [daemon] }, host)
    const findings: Finding[] = []
    const missing = probeCapabilities(`CapBnd:\t${status.get('CapBnd') ?? ''}`, 'CapBnd').filter(
      ({ ok }) => !ok,
    )
    if (missing.length > 0 && !isTold) {
      const names = missing.map(({ feature }) => feature).join(', ')
      findings.push(error(`${who} was started without ${names}`, `${FATE}: polyns needs them`, ...again))
    }
    if (status.get('Seccomp') === '2' && !isTold) {
      findings.push(note(`${who} has a seccomp filter`, FILTERED))
    }
    if (status.get('NoNewPrivs') === '1') {
      const why =
        'polyns works; but in the sessions that it opens neither su nor sudo does, and SELinux changes no domain'
      findings.push(note(`${who} has no_new_privs set`, why))
    }
    const profile = /^(.+) \(enforce\)$/m.exec(host.read(`/proc/${pid}/attr/apparmor/current`) ?? '')?.[1]
    if (profile !== undefined) {
      const why =
        'polyns runs under it too: it must allow capability sys_admin, sys_ptrace, sys_chroot, and ptrace, mount and umount. ' +
        'If logins are refused, dmesg names what it denies'
      findings.push(note(`${who} is confined by the AppArmor profile ${profile}`, why))
    }
    return findings
  })
}
