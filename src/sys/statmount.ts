/*
 * listmount(2) and statmount(2): a mount table in answers of fixed layout, include/uapi/linux/mount.h. They give what
 * mountinfo does not, a mount's unique id: it is never given out again, and a mount that came later has a higher one.
 * KERNEL(6.15): statmount says by then what it supports, so that an empty answer can be told from one that it cannot give.
 */
import { bind, check } from './call.js'
import { ERRNO } from './errno.js'
import { MS } from './flags.js'

const listmountCall = bind('listmount', 'ptr', 'ptr', 'ulong', 'int')
const statmountCall = bind('statmount', 'ptr', 'ptr', 'ulong', 'int')

/** The mounts of a namespace, all of them: LSMT_ROOT. */
const LSMT_ROOT = 0xffff_ffff_ffff_ffffn
const BATCH = 512

const MASK = {
  STATMOUNT_SB_BASIC: 0x1,
  STATMOUNT_MNT_BASIC: 0x2,
  STATMOUNT_PROPAGATE_FROM: 0x4,
  STATMOUNT_MNT_ROOT: 0x8,
  STATMOUNT_MNT_POINT: 0x10,
  STATMOUNT_FS_TYPE: 0x20,
  STATMOUNT_FS_SUBTYPE: 0x100,
  STATMOUNT_SB_SOURCE: 0x200,
  STATMOUNT_OPT_ARRAY: 0x400,
  STATMOUNT_OPT_SEC_ARRAY: 0x800,
  STATMOUNT_SUPPORTED_MASK: 0x1000,
} as const

const ALL = Object.values(MASK).reduce((all, bit) => all | bit, 0)
const WANTED = BigInt(ALL)

/** Where the strings begin; struct statmount has this size since it came. */
const FIXED = 512

/** What statmount(2) tells of a mount. Strings are as they are, with nothing escaped. */
export interface MountStatus {
  /** The unique id. */
  id: bigint
  /** Those of mountinfo. */
  mountId: number
  parentId: number
  dev: string
  sbFlags: number
  /** MOUNT_ATTR_* */
  attributes: number
  isUnbindable: boolean
  /** 0: not in one. */
  peerGroup: number
  master: number
  propagateFrom: number
  root: string
  mountPoint: string
  fstype: string
  subtype: string
  source: string
  securityOptions: string[]
  options: string[]
}

/**
 * listmount(2) (6.8; of another namespace 6.11): the unique ids of the mounts that can be reached from the namespace's root,
 * the oldest first.
 * @param namespace 64-bit id of a mount namespace (sys/namespace.ts); null: this thread's own, from this thread's root
 * @returns null on a kernel that cannot
 * @throws {SyscallError} ENOENT, EPERM: it has ended, or the rights do not suffice
 */
export function listmount(namespace: bigint | null): bigint[] | null {
  const ids: bigint[] = []
  const batch = Buffer.alloc(BATCH * 8)
  for (let last = 0n; ; last = ids.at(-1) ?? 0n) {
    const rc = listmountCall(request(LSMT_ROOT, last, namespace), batch, BATCH, 0)
    if (lacks(rc)) return null
    const count = check(rc, { syscall: 'listmount', show: () => `LSMT_ROOT, ${last}, ${namespace}` })
    for (let i = 0; i < count; i++) ids.push(batch.readBigUInt64LE(i * 8))
    if (count < BATCH) return ids
  }
}

/**
 * statmount(2): the mount with this unique id.
 * @param namespace as for {@link listmount}
 * @returns `gone`: there is none any more. `unsupported`: this kernel cannot, or leaves out a part
 * @throws {SyscallError} EPERM
 */
export function statmount(id: bigint, namespace: bigint | null): MountStatus | 'gone' | 'unsupported' {
  for (let size = 4096; ; size *= 4) {
    const answer = Buffer.alloc(size)
    const rc = statmountCall(request(id, WANTED, namespace), answer, size, 0)
    if (rc === -ERRNO.EOVERFLOW && size < 1 << 22) continue
    if (rc === -ERRNO.ENOENT) return 'gone'
    if (lacks(rc)) return 'unsupported'
    check(rc, { syscall: 'statmount', show: () => `${id}, ${namespace}` })
    return supportsAll(answer) ? decode(answer) : 'unsupported'
  }
}

/** ENOSYS, which seccomp filters give too; and EINVAL from a kernel that knows no namespace but one's own. */
function lacks(rc: number): boolean {
  return rc === -ERRNO.ENOSYS || rc === -ERRNO.EINVAL
}

/** struct mnt_id_req; `param` is the mask, or the last id seen. */
function request(id: bigint, param: bigint, namespace: bigint | null): Buffer {
  const size = namespace === null ? 24 : 32 // KERNEL(6.11): 32 always
  const req = Buffer.alloc(size)
  req.writeUInt32LE(size, 0)
  req.writeBigUInt64LE(id, 8)
  req.writeBigUInt64LE(param, 16)
  if (namespace !== null) req.writeBigUInt64LE(namespace, 24)
  return req
}

function supportsAll(answer: Buffer): boolean {
  return (answer.readBigUInt64LE(144) & WANTED) === WANTED
}

function decode(answer: Buffer): MountStatus {
  const propagation = Number(answer.readBigUInt64LE(72))
  const written = Number(answer.readBigUInt64LE(8))
  // The kernel leaves the bit out for an empty string.
  const text = (bit: number, offset: number) =>
    (written & bit) === 0 ? '' : stringsAt(answer, answer.readUInt32LE(offset), 1).join()
  const texts = (bit: number, offset: number) =>
    (written & bit) === 0
      ? []
      : stringsAt(answer, answer.readUInt32LE(offset + 4), answer.readUInt32LE(offset))
  return {
    id: answer.readBigUInt64LE(40),
    mountId: answer.readUInt32LE(56),
    parentId: answer.readUInt32LE(60),
    dev: `${answer.readUInt32LE(16)}:${answer.readUInt32LE(20)}`,
    sbFlags: answer.readUInt32LE(32),
    attributes: Number(answer.readBigUInt64LE(64)),
    isUnbindable: (propagation & MS.MS_UNBINDABLE) !== 0,
    peerGroup: Number(answer.readBigUInt64LE(80)),
    master: Number(answer.readBigUInt64LE(88)),
    propagateFrom: Number(answer.readBigUInt64LE(96)),
    root: text(MASK.STATMOUNT_MNT_ROOT, 104),
    mountPoint: text(MASK.STATMOUNT_MNT_POINT, 108),
    fstype: text(MASK.STATMOUNT_FS_TYPE, 36),
    subtype: text(MASK.STATMOUNT_FS_SUBTYPE, 120),
    source: text(MASK.STATMOUNT_SB_SOURCE, 124),
    options: texts(MASK.STATMOUNT_OPT_ARRAY, 128),
    securityOptions: texts(MASK.STATMOUNT_OPT_SEC_ARRAY, 136),
  }
}

/** `count` strings that each end with a NUL, `offset` after the fixed part. */
function stringsAt(answer: Buffer, offset: number, count: number): string[] {
  const found: string[] = []
  let at = FIXED + offset
  for (let i = 0; i < count; i++) {
    const end = answer.indexOf(0, at)
    found.push(answer.toString('utf8', at, end))
    at = end + 1
  }
  return found
}
