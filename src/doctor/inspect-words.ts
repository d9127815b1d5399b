/* What differs from the host's view, in words: what, why, and what to do about it. Pure. */
import type { Difference, Order, Reason } from '../mountinfo/diff.js'
import type { Mount } from '../mountinfo/parse.js'
import { command } from '../propagation/step.js'
import type { InspectedNamespace, Inspection, PrivateDirectory } from './inspect.js'

export interface Said {
  /** `missing: /autofs/data (nfs server:/data)` */
  what: string
  /** Whole sentences. */
  why: string
  /** Shell lines for root, and what each is good for. */
  cures: { command: string; purpose: string }[]
}

export function sayDifference(it: Difference, { namespace }: Pick<Inspection, 'namespace'>): Said {
  const said = say(it, namespace)
  // Another program's namespace is not for polyns to change.
  return namespace.kind === 'polyns' ? said : { ...said, cures: [] }
}

function say(it: Difference, namespace: InspectedNamespace): Said {
  const { mount } = it
  switch (it.kind) {
    case 'autofs':
      return {
        what: `automount: "Too many levels of symbolic links" below ${mount.mountPoint}`,
        why: `The automount daemon mounts in the host's view, and that does not arrive here: ${sayReason(it.reason, it.mount)}`,
        cures: setupFor(it.reason),
      }
    case 'missing':
      return {
        what: `missing: ${nameOf(mount)}${andBelow(it.below)}`,
        why: `${sayOrder(it.order, namespace)}${sentence(sayReason(it.reason, mount))}`,
        cures: [
          {
            command: command('polyns', 'mount', mount.mountPoint),
            purpose: 'brings it to the running sessions',
          },
          ...setupFor(it.reason),
        ],
      }
    case 'hidden':
      return {
        what: `hidden: ${nameOf(mount)}${andBelow(it.below)}`,
        why: `Here ${nameOf(it.by)} is in front of it, which the host does not have there.`,
        cures: [],
      }
    case 'options':
      return {
        what: `other options: ${nameOf(mount)}`,
        why: `${only(mount, it.host)} here, ${only(it.host, mount)} on the host.`,
        cures: [],
      }
    case 'extra':
      return {
        what: `only here: ${nameOf(mount)}${andBelow(it.below)}`,
        why: sayOrigin(it.origin, mount),
        cures: it.origin === 'host' ? [umount(mount)] : [],
      }
    default:
      return {
        what: `hidden, as intended: ${nameOf(mount)}${andBelow(it.below)}`,
        why: `${it.by.mountPoint} is a private directory here.`,
        cures: [],
      }
  }
}

function umount({ mountPoint }: Mount): Said['cures'][number] {
  return {
    command: command('polyns', 'umount', mountPoint),
    purpose: 'takes it away from the running sessions too',
  }
}

/** A mount by its place, type and source. A name may be of a user's choosing; cli makes it printable. */
function nameOf({ mountPoint, fstype, source }: Mount): string {
  return `${mountPoint} (${source === '' || source === fstype ? fstype : `${fstype} ${source}`})`
}

function andBelow(count: number): string {
  return count === 0 ? '' : `, and ${count} below it`
}

function sayOrder(order: Order, namespace: InspectedNamespace): string {
  if (order !== 'after') return ''
  const made = namespace.kind === 'polyns' ? namespace.made : null
  return `Mounted on the host after this namespace was made${made === null ? '' : `, ${timeOf(made)}`}. `
}

/** UTC, as polyns list writes it. */
export function timeOf(date: Date): string {
  return `${date.toISOString().slice(0, 19).replace('T', ' ')} UTC`
}

function sayReason(reason: Reason, { mountPoint }: Mount): string {
  switch (reason.code) {
    case 'host-private':
      return `${theTree(reason.tree)} is private on the host, so what is mounted there reaches no session.`
    case 'private-here':
      return (
        `${theTree(reason.tree)} is private here, so it gets no mounts from the host: it was not shared there yet when ` +
        `this namespace was made, or has been made private since.${reason.isAutofs ? ' A look below it ends with "Too many levels of symbolic links".' : ''}`
      )
    case 'other-group':
      return (
        `${theTree(reason.tree)} gets its mounts from peer group ${reason.from} here, and what holds ${mountPoint} on ` +
        `the host is in group ${reason.host}.`
      )
    case 'unmounted-here':
      return `${theTree(reason.tree)} gets the host's mounts here, so it has been here and was unmounted in this namespace.`
    case 'older':
      return (
        'it is older than this namespace, and would have been copied into it: it was unmounted here, was moved to this ' +
        "place since, or the namespace was not made from the host's."
      )
    default:
      return 'the reason cannot be told from the mount tables.'
  }
}

function theTree(path: string): string {
  return path === '/' ? 'the root /' : `the tree ${path}`
}

function setupFor(reason: Reason): Said['cures'] {
  const purpose = 'for namespaces made from then on; a login still joins a live one of its user'
  if (reason.code === 'host-private') {
    const args = reason.tree === '/' ? [] : ['--share', reason.tree]
    return [{ command: command('polyns', 'setup', ...args), purpose }]
  }
  return []
}

function sayOrigin(origin: Extract<Difference, { kind: 'extra' }>['origin'], mount: Mount): string {
  const user = mount.superOptions.find((option) => option.startsWith('user_id='))?.slice('user_id='.length)
  const byWhom = mount.fstype.startsWith('fuse') && user !== undefined ? ` by uid ${user}` : ''
  if (origin === 'here') return `Mounted in this namespace${byWhom}; nothing mounted here reaches the host.`
  if (origin === 'host')
    return "It came with the copy of the host's mounts, and the host has unmounted it since."
  return 'Whether it was mounted here or on the host cannot be told from the mount tables.'
}

/** The options that the other has not. */
function only({ options }: Mount, other: Mount): string {
  const more = options.filter((option) => !other.options.includes(option))
  return more.length === 0 ? 'nothing of that' : more.join(',')
}

function sentence(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`
}

/** null: it is as it should be. */
export function sayDirectory({ state }: PrivateDirectory): string | null {
  switch (state) {
    case 'deleted':
      return 'has been deleted: what is written there is lost with the last process, and a new login gets another'
    case 'moved':
      return 'is no longer at that place: a new login gets another'
    case 'covered':
      return 'is not what is seen there: something else is mounted on it'
    case 'unmounted':
      return "is not mounted: what is seen there is the host's"
    default:
      return null
  }
}
