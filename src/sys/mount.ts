/*
 * Mount calls, old and new interface. A mount that is being built is a detached one, held by an Fd, and is seen by nobody
 * until move_mount attaches it.
 */
import { readSync } from 'node:fs'
import { bind, type Call, check, cstr, quote } from './call.js'
import { SyscallError } from './errors.js'
import { Fd } from './fd.js'
import { AT, flagNames, MNT, MOUNT_ATTR, MOVE_MOUNT, MS } from './flags.js'
import { NO_NAMESPACE } from './namespace.js'

const mountCall = bind('mount', 'ptr', 'ptr', 'ptr', 'ulong', 'ptr')
const pivotRootCall = bind('pivot_root', 'ptr', 'ptr')
const umount2Call = bind('umount2', 'ptr', 'int')
const openTreeCall = bind('open_tree', 'int', 'ptr', 'int')
const moveMountCall = bind('move_mount', 'int', 'ptr', 'int', 'ptr', 'int')
const fsopenCall = bind('fsopen', 'ptr', 'int')
const fsconfigCall = bind('fsconfig', 'int', 'int', 'ptr', 'ptr', 'int')
const fsmountCall = bind('fsmount', 'int', 'int', 'int')
const mountSetattrCall = bind('mount_setattr', 'int', 'ptr', 'int', 'ptr', 'ulong')

const FSOPEN_CLOEXEC = 1
const FSMOUNT_CLOEXEC = 1
const FSCONFIG_SET_FLAG = 0
const FSCONFIG_SET_STRING = 1
const FSCONFIG_CMD_CREATE = 6

const EMPTY = Buffer.of(0)

/**
 * mount(2), the classic form. polyns uses it for propagation (`source` and `fstype` null) and for binds of paths at boot.
 * @throws {SyscallError} EINVAL: `target` is no mount point, or its propagation forbids it. EPERM: no CAP_SYS_ADMIN.
 */
export function mount(
  source: string | null,
  target: string,
  fstype: string | null,
  flags: number,
  data: string | null = null,
): void {
  const text = (s: string | null) => (s === null ? null : cstr(s, 'mount'))
  check(mountCall(text(source), cstr(target, 'mount'), text(fstype), flags, text(data)), {
    syscall: 'mount',
    show: () =>
      `${quote(source)}, ${quote(target)}, ${quote(fstype)}, ${flagNames(MS, flags)}, ${quote(data)}`,
    path: source ?? target,
    dest: target,
  })
}

/**
 * pivot_root(2): the mount `newRoot` becomes the root of this namespace, and the old root is mounted on `oldRootTo` below it.
 * Every process that had the old one as root or working directory follows.
 * @throws {SyscallError} EINVAL: one of them is no mount, or shared; the root is a chroot's. EBUSY: it is the root already.
 */
export function pivotRoot(newRoot: string, oldRootTo: string): void {
  check(pivotRootCall(cstr(newRoot, 'pivot_root'), cstr(oldRootTo, 'pivot_root')), {
    syscall: 'pivot_root',
    show: () => `${quote(newRoot)}, ${quote(oldRootTo)}`,
    path: newRoot,
    dest: oldRootTo,
  })
}

/** umount2(2). @throws {SyscallError} EINVAL: not a mount point, or a locked one. EBUSY: in use, without MNT_DETACH. */
export function umount2(target: string, flags: number): void {
  check(umount2Call(cstr(target, 'umount2'), flags), {
    syscall: 'umount2',
    show: () => `${quote(target)}, ${flagNames(MNT, flags)}`,
    path: target,
  })
}

/** Whether a call is about one mount, or also about every mount below it. */
export interface Reach {
  recursive: boolean
}

/**
 * open_tree(2) with OPEN_TREE_CLONE on an open directory: a detached bind mount of that directory, alone unless `reach` says
 * otherwise. It keeps its source's peer group, see {@link mountSetattr}.
 * @throws {SyscallError} EINVAL: unbindable. EPERM: no CAP_SYS_ADMIN.
 */
export function openTreeClone(source: Fd, reach: Reach = { recursive: false }): Fd {
  const flags =
    AT.OPEN_TREE_CLONE | AT.OPEN_TREE_CLOEXEC | AT.AT_EMPTY_PATH | (reach.recursive ? AT.AT_RECURSIVE : 0)
  const fd = check(openTreeCall(source.number, EMPTY, flags), {
    syscall: 'open_tree',
    show: () => `${source.number} (${quote(source.label)}), '', ${flagNames(AT, flags)}`,
    path: source.label,
    noSpace: NO_NAMESPACE, // a detached mount is in an anonymous one
  })
  return new Fd(fd, `clone of ${source.label}`)
}

/** move_mount(2): attaches the detached mount `from` on top of the directory `to`. @throws {SyscallError} EINVAL, ELOOP, ENOTDIR, ENOSPC */
export function moveMount(from: Fd, to: Fd): void {
  const flags = MOVE_MOUNT.MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT.MOVE_MOUNT_T_EMPTY_PATH
  check(moveMountCall(from.number, EMPTY, to.number, EMPTY, flags), {
    syscall: 'move_mount',
    show: () =>
      `${from.number} (${quote(from.label)}), '', ${to.number} (${quote(to.label)}), '', ${flagNames(MOVE_MOUNT, flags)}`,
    path: from.label,
    dest: to.label,
    noSpace: 'the namespace has as many mounts as fs.mount-max allows',
  })
}

/**
 * mount_setattr(2) on the mount that `target` is (a detached one, or one opened on top).
 * @param set MOUNT_ATTR_* bits to turn on
 * @param propagation one of MS_PRIVATE, MS_SLAVE, MS_SHARED, or 0 to leave it
 * @throws {SyscallError} EINVAL: `target` is no mount's root. EPERM
 */
export function mountSetattr(
  target: Fd,
  set: number,
  propagation: number,
  reach: Reach = { recursive: false },
): void {
  const flags = AT.AT_EMPTY_PATH | (reach.recursive ? AT.AT_RECURSIVE : 0)
  const attr = Buffer.alloc(32)
  attr.writeBigUInt64LE(BigInt(set), 0)
  attr.writeBigUInt64LE(BigInt(propagation), 16)
  check(mountSetattrCall(target.number, EMPTY, flags, attr, attr.length), {
    syscall: 'mount_setattr',
    show: () =>
      `${target.number} (${quote(target.label)}), '', ${flagNames(AT, flags)}, {set=${flagNames(MOUNT_ATTR, set)}, propagation=${flagNames(MS, propagation)}}`,
    path: target.label,
  })
}

/** fsopen(2): a configuration context for a new file system. @throws {SyscallError} ENODEV: the kernel has no such type. */
export function fsopen(fstype: string): Fd {
  const fd = check(fsopenCall(cstr(fstype, 'fsopen'), FSOPEN_CLOEXEC), {
    syscall: 'fsopen',
    show: () => `${quote(fstype)}, FSOPEN_CLOEXEC`,
  })
  return new Fd(fd, fstype)
}

/**
 * fsconfig(2): sets `key`, to `value` or as a bare flag when that is null.
 * @throws {SyscallError} EINVAL with the kernel's own words on what it did not like, where it gives any.
 */
export function fsconfigSet(context: Fd, key: string, value: string | null): void {
  const [command, name] =
    value === null ? [FSCONFIG_SET_FLAG, 'FSCONFIG_SET_FLAG'] : [FSCONFIG_SET_STRING, 'FSCONFIG_SET_STRING']
  const text = value === null ? null : cstr(value, 'fsconfig')
  const rc = fsconfigCall(context.number, command, cstr(key, 'fsconfig'), text, 0)
  checkContext(context, rc, {
    syscall: 'fsconfig',
    show: () => `${context.label}, ${name}, ${quote(key)}, ${quote(value)}`,
  })
}

/** fsconfig(2), FSCONFIG_CMD_CREATE: makes the superblock. @throws {SyscallError} EINVAL, EPERM, ENOMEM */
export function fsconfigCreate(context: Fd): void {
  checkContext(context, fsconfigCall(context.number, FSCONFIG_CMD_CREATE, null, null, 0), {
    syscall: 'fsconfig',
    show: () => `${context.label}, FSCONFIG_CMD_CREATE, null, null`,
  })
}

/** fsmount(2): the file system as a detached mount with MOUNT_ATTR_* `attributes`. @throws {SyscallError} EPERM, ENOMEM */
export function fsmount(context: Fd, attributes: number): Fd {
  const fd = check(fsmountCall(context.number, FSMOUNT_CLOEXEC, attributes), {
    syscall: 'fsmount',
    show: () => `${context.label}, FSMOUNT_CLOEXEC, ${flagNames(MOUNT_ATTR, attributes)}`,
    noSpace: NO_NAMESPACE,
  })
  return new Fd(fd, `new ${context.label}`)
}

/** As check(), and adds the line that the kernel left in the context: "tmpfs: Bad value for 'size'". */
function checkContext(context: Fd, rc: number, call: Call): void {
  try {
    check(rc, call)
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error
    const said = kernelMessages(context)
    if (said === '') throw error
    const { code, errno, syscall } = error
    throw new SyscallError({
      code,
      errno,
      syscall,
      message: `${error.message}: the kernel says ${quote(said)}`,
    })
  }
}

function kernelMessages(context: Fd): string {
  const buffer = Buffer.alloc(1024)
  try {
    // Each message starts with its severity: `e tmpfs: Bad value for 'size'`.
    return buffer
      .toString('utf8', 0, readSync(context.number, buffer))
      .replace(/^[ewi] /, '')
      .trim()
  } catch {
    return '' // ENODATA: nothing was said
  }
}

/** mount(2), propagation form: `type` is one of MS_PRIVATE, MS_SLAVE, MS_SHARED, with MS_REC for the whole tree. */
export function setPropagation(target: string, type: number): void {
  mount(null, target, null, type)
}
