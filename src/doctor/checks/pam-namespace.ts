/* pam_namespace beside polyns: two that make the same directories private, each in a namespace of its own. */
import { type Check, error, type Finding, note, ok } from '../finding.js'
import type { Host } from '../host.js'
import { placeOf } from '../pamcalls.js'
import { commentOut } from '../pamedit.js'
import { sessionEntries } from '../pamline.js'
import type { PamEntry } from '../pamstack.js'

export const pamNamespace: Check = {
  id: 'pam-namespace',
  title: 'No stack calls pam_namespace',
  status: 1,
  run(host) {
    const all = [...host.stacks.values()].flatMap(({ entries }) => sessionEntries(entries))
    const found = new Map(
      all.filter(({ module }) => module === 'pam_namespace.so').map((entry) => [placeOf(entry), entry]),
    )
    if (found.size === 0) return host.stacks.size === 0 ? [] : [ok('pam_namespace.so is in no stack')]
    const isActive = hasLines(host)
    return [...found.values()].map((entry) => judge(entry, isActive))
  },
}

function judge(entry: PamEntry, isActive: boolean): Finding {
  const saw = `${placeOf(entry)}: pam_namespace.so`
  const mend = commentOut(entry)
  if (!isActive) {
    const why =
      'it does nothing while /etc/security/namespace.conf has no line; with one, both would make directories private'
    return note(saw, why, ...mend)
  }
  const why =
    'it makes directories private too, by /etc/security/namespace.conf: which of the two a session sees depends on the order, ' +
    'and instances end up inside of instances'
  return error(saw, why, ...mend)
}

/** Whether it has anything to do. */
export function hasLines(host: Pick<Host, 'read' | 'list'>): boolean {
  const dropIns = host.list('/etc/security/namespace.d') ?? []
  const files = [
    '/etc/security/namespace.conf',
    ...dropIns.filter((name) => name.endsWith('.conf')).map((name) => `/etc/security/namespace.d/${name}`),
  ]
  return files.some((file) => /^\s*[^\s#]/m.test(host.read(file) ?? ''))
}
