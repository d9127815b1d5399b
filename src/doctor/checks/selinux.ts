/* What SELinux can take away: ptrace, by a boolean for all or by the policy for a service's domain. */
import { type Check, error, type Finding, note, ok, warning } from '../finding.js'
import type { Host } from '../host.js'
import { selinuxMode } from '../pamcalls.js'

export const selinux: Check = {
  id: 'selinux',
  title: 'SELinux lets polyns move a session',
  status: 4,
  run: (host) => judgeSelinux(host),
}

export function judgeSelinux(host: Pick<Host, 'read'>): Finding[] {
  const mode = selinuxMode(host)
  if (mode === null) return []
  const denies = /^1\b/.test(host.read('/sys/fs/selinux/booleans/deny_ptrace') ?? '')
  if (denies) {
    const saw = `the boolean deny_ptrace is on, SELinux is ${mode}`
    const why = 'no application can be moved into its namespace'
    const mend = 'setsebool -P deny_ptrace off'
    if (mode === 'enforcing') return [error(saw, `${why}: every login is refused`, mend)]
    return [warning(saw, `${why} once SELinux is enforcing`, mend)]
  }
  if (mode === 'permissive') return [ok('SELinux is permissive, deny_ptrace is off')]
  const why =
    "whether a service's domain may ptrace itself, which every session needs, cannot be seen from here: if logins are " +
    "refused, 'ausearch -m avc -c node' names what the policy lacks (docs/selinux.md)"
  return [note('SELinux is enforcing', why)]
}
