/* What statmount(2) tells of a mount, as the same Mount that a line of mountinfo gives. Pure. */
import { MOUNT_ATTR } from '../sys/flags.js'
import type { MountStatus } from '../sys/statmount.js'
import type { Mount, MountId, Propagation } from './parse.js'

/** Those that mountinfo writes, in its order: show_mnt_opts() of the kernel's fs/proc_namespace.c. */
const ATTRIBUTES = [
  [MOUNT_ATTR.MOUNT_ATTR_NOSUID, 'nosuid'],
  [MOUNT_ATTR.MOUNT_ATTR_NODEV, 'nodev'],
  [MOUNT_ATTR.MOUNT_ATTR_NOEXEC, 'noexec'],
  [MOUNT_ATTR.MOUNT_ATTR_NOATIME, 'noatime'],
  [MOUNT_ATTR.MOUNT_ATTR_NODIRATIME, 'nodiratime'],
] as const

const LATER_ATTRIBUTES = [
  [MOUNT_ATTR.MOUNT_ATTR_NOSYMFOLLOW, 'nosymfollow'],
  [MOUNT_ATTR.MOUNT_ATTR_IDMAP, 'idmapped'],
] as const

const SB_RDONLY = 0x1
// show_sb_opts()
const SB_FLAGS = [
  [0x10, 'sync'],
  [0x80, 'dirsync'],
  [0x2000000, 'lazytime'],
] as const

export function toMount(status: MountStatus): Mount {
  const { id, mountId, parentId, dev, root, mountPoint, fstype, subtype, source } = status
  return {
    id: mountId as MountId,
    parentId: parentId as MountId,
    dev,
    root,
    mountPoint,
    options: attributesOf(status),
    propagation: propagationOf(status),
    fstype: subtype === '' ? fstype : `${fstype}.${subtype}`,
    source,
    superOptions: [
      (status.sbFlags & SB_RDONLY) === 0 ? 'rw' : 'ro',
      ...namesOf(SB_FLAGS, status.sbFlags),
      ...status.securityOptions,
      ...status.options,
    ],
    uniqueId: id,
  }
}

function attributesOf({ attributes }: MountStatus): string[] {
  const access = attributes & MOUNT_ATTR.MOUNT_ATTR__ATIME
  return [
    (attributes & MOUNT_ATTR.MOUNT_ATTR_RDONLY) === 0 ? 'rw' : 'ro',
    ...namesOf(ATTRIBUTES, attributes),
    ...(access === MOUNT_ATTR.MOUNT_ATTR_RELATIME ? ['relatime'] : []),
    ...namesOf(LATER_ATTRIBUTES, attributes),
  ]
}

function namesOf(table: readonly (readonly [bit: number, name: string])[], bits: number): string[] {
  return table.filter(([bit]) => (bits & bit) !== 0).map(([, name]) => name)
}

function propagationOf(status: MountStatus): Propagation {
  const { peerGroup, master, propagateFrom, isUnbindable } = status
  return {
    ...(peerGroup === 0 ? {} : { shared: peerGroup }),
    ...(master === 0 ? {} : { master }),
    // mountinfo writes it only where it says more than the master.
    ...(propagateFrom === 0 || propagateFrom === master ? {} : { propagateFrom }),
    ...(isUnbindable ? { unbindable: true as const } : {}),
  }
}
