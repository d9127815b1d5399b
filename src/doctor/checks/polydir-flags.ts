/*
 * nosuid, nodev and noexec of the real directory that the private one does not have: an instance is mounted with the flags of
 * the mount that its parent lies on, a tmpfs with none but those of its line.
 */
import type { MountFlag, Rule } from '../../config/index.js'
import { staticParents, staticPolydirs } from '../../propagation/places.js'
import { command } from '../../propagation/step.js'
import { type Check, type Finding, warning } from '../finding.js'
import type { Host } from '../host.js'

const FLAGS: readonly MountFlag[] = ['nosuid', 'nodev', 'noexec']

export const polydirFlags: Check = {
  id: 'polydir-flags',
  title: 'The private directories keep the mount flags of the real ones',
  status: 1,
  run(host) {
    return host.rules.flatMap((rule) => {
      const lost = lostFlags(host, rule)
      return lost.length === 0 ? [] : [tell(host, rule, lost)]
    })
  },
}

function lostFlags({ mounts }: Host, rule: Rule): MountFlag[] {
  const [polydir] = staticPolydirs([rule])
  const [parent] = staticParents([rule])
  if (polydir === undefined || (parent === undefined && rule.method !== 'tmpfs')) return []
  const real = mounts.holding(polydir)?.options ?? []
  const given = parent === undefined ? [] : (mounts.holding(parent)?.options ?? [])
  return FLAGS.filter(
    (flag) => real.includes(flag) && !given.includes(flag) && !rule.mountFlags.includes(flag),
  )
}

function tell(host: Host, { file, line, polydir }: Rule, lost: readonly MountFlag[]): Finding {
  const saw = `${file}:${line}: ${polydir} is ${lost.join(',')}, the private one is not`
  const why = 'what the machine forbids in the real directory is allowed in the private one'
  // pam_namespace's own file knows no such flags.
  if (host.session.config.mode === 'compat') {
    return warning(saw, `${why}; put the instances on a mount with these flags`)
  }
  const edit = `${line}s/^(\\s*\\S+\\s+\\S+\\s+\\S+)/\\1:${lost.join(':')}/`
  return warning(saw, why, command('sed', '-Ei', edit, file))
}
