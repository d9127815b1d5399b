/* The limits on mount namespaces and on mounts, against what is in use. */
import { type Check, error, type Finding, ok, warning } from '../finding.js'

export const settings: Check = {
  id: 'settings',
  title: 'The limits on mounts and mount namespaces leave room',
  status: 4,
  run(host) {
    return [
      ...judgeNamespaces(
        numberIn(host.read('/proc/sys/user/max_mnt_namespaces')),
        host.processes.namespaces.size,
      ),
      ...judgeMounts(numberIn(host.read('/proc/sys/fs/mount-max')), host.mounts.mounts.length),
    ]
  },
}

function numberIn(text: string | null): number | null {
  return text === null ? null : Number(text.trim())
}

const NEAR = 0.8

/** @param limit null: this kernel has none */
export function judgeNamespaces(limit: number | null, used: number): Finding[] {
  const name = 'user.max_mnt_namespaces'
  if (limit === null) return []
  const saw = `${name} is ${limit}, ${used} are in use`
  const raise = setTo(name, Math.max(2 * limit, 4 * used, 10_000))
  if (used >= limit)
    return [error(saw, 'every login for which a new namespace is needed is refused', ...raise)]
  if (used >= NEAR * limit) return [warning(saw, 'when they are used up, logins are refused', ...raise)]
  return [ok(saw)]
}

/** @param mounts of the host's namespace, all of which each session's has too */
export function judgeMounts(limit: number | null, mounts: number): Finding[] {
  const name = 'fs.mount-max'
  if (limit === null) return []
  const saw = `${name} is ${limit}, the host has ${mounts} mounts`
  const raise = setTo(name, Math.max(2 * limit, 4 * mounts))
  if (mounts + OWN_MOUNTS > limit) {
    return [
      error(saw, "a session's namespace has no room for its own mounts: every login is refused", ...raise),
    ]
  }
  if (mounts >= NEAR * limit) {
    return [
      warning(
        saw,
        "a session's namespace has these and its own; beyond the limit logins are refused",
        ...raise,
      ),
    ]
  }
  return [ok(saw)]
}

/** What a session adds: the mark, and a few private directories. */
const OWN_MOUNTS = 10

function setTo(name: string, value: number): string[] {
  return [
    `printf '%s\\n' '${name} = ${value}' >/etc/sysctl.d/99-polyns-${name.replace(/.*\./, '')}.conf`,
    `sysctl -w ${name}=${value}`,
  ]
}
