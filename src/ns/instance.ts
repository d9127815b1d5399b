/*
 * Instances and their parents: made complete and then renamed into place, so that a helper killed half way leaves nothing
 * that the next login would have to refuse; and checked when they exist already, never used blindly.
 */
import { during } from '../sys/call.js'
import { SyscallError, UnsafePathError } from '../sys/errors.js'
import type { Fd } from '../sys/fd.js'
import { AT, O, RENAME, RESOLVE } from '../sys/flags.js'
import {
  fchmod,
  fchown,
  getxattr,
  listxattr,
  mkdirat,
  openat2,
  renameat2,
  setxattr,
  unlinkat,
} from '../sys/path.js'
import { randomHex } from '../sys/process.js'
import { type Stat, statx } from '../sys/stat.js'
import { openSafe, openSafeParent } from './safepath.js'

const DIRECTORY = O.O_PATH | O.O_DIRECTORY | O.O_NOFOLLOW
const SELINUX = 'security.selinux'
/** A directory that is not finished yet. The dot keeps it apart from every user name. */
export const UNFINISHED = '.polyns-new.'

/** What a directory shall be like. `label` is an SELinux context, null where there is none. */
export interface Template {
  uid: number
  gid: number
  mode: number
  label: Buffer | null
}

/**
 * The owner, group, mode and label of the polydir, which its instances take over.
 * @param context the label in place of the polydir's: the step's, for the methods level and context
 */
export function templateOf(polydir: Fd, stat: Stat = statx(polydir), context?: string): Template {
  const label = context === undefined ? labelOf(polydir) : labelFrom(context)
  return { uid: stat.uid, gid: stat.gid, mode: stat.mode, label }
}

/** The SELinux context of a file, with the NUL behind it; null: SELinux is off. */
export function labelOf(file: Fd): Buffer | null {
  return getxattr(file, SELINUX)
}

/** The attribute's value as libselinux writes it: with a NUL. */
export function labelFrom(context: string): Buffer {
  return Buffer.from(`${context}\0`)
}

/** What is wrong with a directory as an instance parent: it must be root:root, mode 000, without an ACL. Empty: nothing. */
export function parentFaults(dir: Fd): string[] {
  const { uid, gid, mode } = statx(dir)
  const faults: string[] = []
  if (uid !== 0) faults.push(`owner is uid ${uid}, not root`)
  if (gid !== 0) faults.push(`group is gid ${gid}, not root`)
  if ((mode & 0o777) !== 0) faults.push(`mode is ${octal(mode)}, not 0000`)
  if (hasAcl(dir)) faults.push('has an ACL')
  return faults
}

/**
 * Opens an instance parent; makes it, when only its last component is missing.
 * @param options.check false: with --ignore-instance-parent-mode
 * @throws {UnsafePathError} it is there and not as {@link parentFaults} wants it
 * @throws {SyscallError} ENOENT: more than the last component is missing. ENOSPC, EROFS
 */
export function openInstanceParent(path: string, options = { check: true }): Fd {
  const parent = openOrMake(path)
  const faults = options.check ? parentFaults(parent) : []
  if (faults.length === 0) return parent
  parent[Symbol.dispose]()
  throw new UnsafePathError(
    path,
    `${faults.join(', ')}; 'polyns setup' repairs an instance parent that root owns`,
  )
}

function openOrMake(path: string): Fd {
  try {
    return openSafe(path)
  } catch (error) {
    if (!(error instanceof SyscallError) || error.code !== 'ENOENT') throw error
    const { dir, name } = during(`make the instance parent '${path}'`, () => openSafeParent(path))
    using grandparent = dir
    makeDirectory(grandparent, name, { uid: 0, gid: 0, mode: 0, label: null })
    return openat2(grandparent, name, DIRECTORY, RESOLVE.RESOLVE_NO_SYMLINKS)
  }
}

export interface OpenedInstance {
  dir: Fd
  created: boolean
}

/**
 * Opens the instance `name`, or makes it like `template`.
 * @throws {UnsafePathError} it exists and is not a directory, or has another owner, mode or an ACL
 * @throws {SyscallError} ENOSPC, EDQUOT, EROFS
 */
export function openInstance(parent: Fd, name: string, template: Template): OpenedInstance {
  const created = !exists(parent, name) && makeDirectory(parent, name, template)
  const dir = created ? openMade(parent, name) : openExisting(parent, name)
  try {
    if (!created) checkInstance(dir, template)
    return { dir, created }
  } catch (error) {
    dir[Symbol.dispose]()
    throw error
  }
}

/** Whether there is anything by that name. */
export function exists(parent: Fd, name: string): boolean {
  try {
    statx(parent, name)
    return true
  } catch (error) {
    if (error instanceof SyscallError && error.code === 'ENOENT') return false
    throw error
  }
}

/** One that was made just now, and goes again when it cannot even be opened. */
function openMade(parent: Fd, name: string): Fd {
  try {
    return openExisting(parent, name)
  } catch (error) {
    unlinkat(parent, name, AT.AT_REMOVEDIR)
    throw error
  }
}

function openExisting(parent: Fd, name: string): Fd {
  try {
    return openat2(parent, name, DIRECTORY, RESOLVE.RESOLVE_NO_SYMLINKS)
  } catch (error) {
    if (!(error instanceof SyscallError) || !['ENOTDIR', 'ELOOP'].includes(error.code)) throw error
    const { type } = statx(parent, name)
    throw new UnsafePathError(`${parent.label}/${name}`, `is not a directory but a ${type}; remove it`, {
      cause: error,
    })
  }
}

/** What keeps an existing directory from being the instance that `template` describes. Empty: nothing. */
export function instanceFaults(dir: Fd, template: Template): string[] {
  const stat = statx(dir)
  const faults: string[] = []
  if (stat.uid !== template.uid) faults.push(`owner is uid ${stat.uid}, the polydir's is ${template.uid}`)
  // Who owns the polydir may set its group and mode as he likes, and does: chmod 700 $HOME. Root's are fixed.
  if (template.uid === 0) {
    if (stat.gid !== template.gid) faults.push(`group is gid ${stat.gid}, the polydir's is ${template.gid}`)
    if (stat.mode !== template.mode)
      faults.push(`mode is ${octal(stat.mode)}, the polydir's is ${octal(template.mode)}`)
    if (hasAcl(dir)) faults.push('has an ACL')
  }
  return faults
}

function checkInstance(dir: Fd, template: Template): void {
  const faults = instanceFaults(dir, template)
  if (faults.length > 0) {
    throw new UnsafePathError(
      dir.label,
      `${faults.join(', ')}; look who made it, then mend it or move it away`,
    )
  }
}

/** Makes a directory in one visible step. @returns false when somebody else was faster. @throws {SyscallError} */
export function makeDirectory(parent: Fd, name: string, template: Template): boolean {
  const unfinished = makeUnfinished(parent, template)
  try {
    renameat2(parent, unfinished, parent, name, RENAME.RENAME_NOREPLACE)
    return true
  } catch (error) {
    unlinkat(parent, unfinished, AT.AT_REMOVEDIR)
    if (error instanceof SyscallError && error.code === 'EEXIST') return false
    throw error
  }
}

/** Makes a directory with a name that nobody has yet: `base` and random digits. */
export function makeFreshDirectory(parent: Fd, base: string, template: Template): { dir: Fd; name: string } {
  for (;;) {
    const name = base + randomHex(4)
    if (makeDirectory(parent, name, template)) return { dir: openMade(parent, name), name }
  }
}

function makeUnfinished(parent: Fd, template: Template): string {
  const name = UNFINISHED + randomHex(8)
  mkdirat(parent, name, 0o700)
  try {
    using dir = openat2(parent, name, O.O_DIRECTORY | O.O_NOFOLLOW, RESOLVE.RESOLVE_NO_SYMLINKS)
    // Where a user owns the parent he can exchange the directory before it is opened, and would have his own given to root.
    if (statx(dir).uid !== process.geteuid?.())
      throw new UnsafePathError(dir.label, 'was exchanged while it was made')
    fchown(dir, template.uid, template.gid)
    fchmod(dir, template.mode)
    setLabel(dir, template.label)
    return name
  } catch (error) {
    unlinkat(parent, name, AT.AT_REMOVEDIR)
    throw error
  }
}

/** Not where it is right already: a file system with one label for all (`context=`) refuses every change. */
function setLabel(dir: Fd, label: Buffer | null): void {
  if (label === null || getxattr(dir, SELINUX)?.equals(label)) return
  setxattr(dir, SELINUX, label)
}

function hasAcl(dir: Fd): boolean {
  return listxattr(dir).some((name) => name.startsWith('system.posix_acl_'))
}

/** A mode as people write it, with four digits. */
export function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0')
}
