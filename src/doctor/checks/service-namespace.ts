/* In which mount namespace the services run that open sessions: the host's is the one that polyns starts each session from. */
import { readlinkSync } from 'node:fs'
import { posix } from 'node:path'
import { parseMountinfo } from '../../mountinfo/parse.js'
import { MountTable } from '../../mountinfo/table.js'
import { uidOfMark } from '../../ns/marker.js'
import { getpwuid } from '../../sys/names.js'
import type { Daemon } from '../daemons.js'
import { type Check, type Finding, note, ok, warning } from '../finding.js'
import type { Host } from '../host.js'
import { dropIn, nameOf, restart, type Service, servicesOf } from '../services.js'
import { namespaceIn } from '../unit.js'

export const serviceNamespace: Check = {
  id: 'service-namespace',
  title: "The services run in the host's mount namespace",
  status: 1,
  run(host) {
    const services = host.denied === null ? servicesOf(host) : []
    if (services.length === 0) return []
    const findings = services.flatMap((service) => {
      const running = service.daemons.flatMap((daemon) => judgeDaemon(daemon, service, host))
      return running.length > 0 ? running : judgeUnit(service, host)
    })
    return findings.length === 0 ? [ok(services.map(nameOf).join(', '))] : findings
  },
}

/** With what is to be taken out of the unit, or else without. */
function mend(service: Service, host: Host): string[] {
  const obstacles = namespaceIn(service.settings)
  if (obstacles.length === 0) return restart(service, host)
  return dropIn(
    service,
    'namespace',
    obstacles.map(({ lift }) => lift),
  )
}

function judgeDaemon(daemon: Daemon, service: Service, host: Host): Finding[] {
  const { pid, exe } = daemon
  if (readlinkSync(`/proc/${pid}/ns/mnt`) === readlinkSync('/proc/1/ns/mnt')) return []
  const mountinfo = host.read(`/proc/${pid}/mountinfo`) ?? ''
  const uid = uidOfMark(mountinfo)
  const how = mend({ ...service, daemons: [daemon] }, host)
  if (uid !== null) {
    const user = getpwuid(uid)?.name ?? `uid ${uid}`
    const why =
      `it was started from a session of ${user}'s, and keeps that view and its files for as long as it runs; what it does for ` +
      'others outside of their sessions it does there'
    return [warning(`${exe} (pid ${pid}) runs in the private namespace of ${user}`, why, ...how)]
  }
  const saw = `${exe} (pid ${pid}) runs in a mount namespace of its own`
  const theirs = new MountTable(parseMountinfo(mountinfo))
  const other = host.rules.find(({ polydir, prefix }) =>
    [polydir, prefix].some(
      (path) => /^\/[^$]*$/.test(path) && place(path, theirs) !== place(path, host.mounts),
    ),
  )
  if (other === undefined) return [note(saw, SEPARATE, ...how)]
  return [warning(saw, otherFiles(other.polydir), ...how)]
}

const SEPARATE =
  'sessions that it opens start from that namespace: they share nothing with those that the user has by other services'

function otherFiles(polydir: string): string {
  return (
    `${polydir} is another one there than on the host: a user who logs in by this service has other files than by the rest, ` +
    'and where reap and the epilog do not look'
  )
}

/** Which directory of which file system a path leads to. */
function place(path: string, table: MountTable): string {
  const mount = table.holding(path)
  if (mount === null) return path
  return `${mount.dev} ${posix.join(mount.root, posix.relative(mount.mountPoint, path))}`
}

/** A unit that does not run now. */
function judgeUnit(service: Service, host: Host): Finding[] {
  if (service.daemons.length > 0) return []
  const obstacles = namespaceIn(service.settings)
  if (obstacles.length === 0) return []
  const saw = obstacles
    .map(({ setting: { file, line, key, value } }) => `${file}:${line}: ${key}=${value}`)
    .join('; ')
  const mending = mend(service, host)
  const other = obstacles.some(({ setting }) => setting.key === 'PrivateTmp')
    ? host.rules.find(({ polydir, prefix }) =>
        [polydir, prefix].some((path) => /^(\/var)?\/tmp(\/|$)/.test(path)),
      )
    : undefined
  if (other === undefined) return [note(saw, `once it runs, ${SEPARATE}`, ...mending)]
  return [warning(saw, `once it runs, ${otherFiles(other.polydir)}`, ...mending)]
}
