/*
 * Calls on files and directories, each relative to an open directory. Nothing here follows a symbolic link in the last
 * component unless its name says so.
 */
import { bind, check, checkUnless, cstr, quote } from './call.js'
import { ERRNO } from './errno.js'
import { AT_FDCWD, Fd } from './fd.js'
import { AT, flagNames, LOCK, O, RENAME, RESOLVE } from './flags.js'

const openat2Call = bind('openat2', 'int', 'ptr', 'ptr', 'ulong')
const mkdiratCall = bind('mkdirat', 'int', 'ptr', 'int')
const renameat2Call = bind('renameat2', 'int', 'ptr', 'int', 'ptr', 'int')
const unlinkatCall = bind('unlinkat', 'int', 'ptr', 'int')
const readlinkatCall = bind('readlinkat', 'int', 'ptr', 'ptr', 'ulong')
const fchownCall = bind('fchown', 'int', 'int', 'int')
const fchmodCall = bind('fchmod', 'int', 'int')
const fchdirCall = bind('fchdir', 'int')
const flockCall = bind('flock', 'int', 'int')
const getxattrCall = bind('getxattr', 'ptr', 'ptr', 'ptr', 'ulong')
const setxattrCall = bind('setxattr', 'ptr', 'ptr', 'ptr', 'ulong', 'int')
const removexattrCall = bind('removexattr', 'ptr', 'ptr')
const XATTR_LIST_MAX = 65536 // linux/limits.h
const listxattrCall = bind('listxattr', 'ptr', 'ptr', 'ulong')

const EAGAIN_RETRIES = 64
const how = Buffer.alloc(24) // struct open_how

/** A path or one component; bytes where it need not be UTF-8. */
export type PathBytes = string | Buffer

/** Where a path starts: an open directory, or the working directory for an absolute path. */
export type At = Fd | null
const at = (dir: At): number => (dir === null ? AT_FDCWD : dir.number)
const where = (dir: At): string => (dir === null ? 'AT_FDCWD' : `${dir.number} (${quote(dir.label)})`)
/** The path as people know it, for messages and errors only. */
export const pathOf = (dir: At, path: PathBytes): string => joined(dir, path.toString())
const joined = (dir: At, path: string): string =>
  dir === null || path.startsWith('/')
    ? path
    : path === ''
      ? dir.label
      : `${dir.label}${dir.label.endsWith('/') ? '' : '/'}${path}`

/**
 * openat2(2) (5.6), close-on-exec always. EAGAIN, which a rename elsewhere causes under RESOLVE_BENEATH, is tried again.
 * @param resolve RESOLVE_* bits
 * @throws {SyscallError} ELOOP: a symlink where `resolve` forbids one. EXDEV: a mount was crossed. ENOTDIR, ENOENT
 */
export function openat2(dir: At, path: PathBytes, flags: number, resolve: number, mode = 0): Fd {
  const { rc, call } = callOpenat2(dir, path, { flags, mode, resolve })
  return new Fd(check(rc, call), call.path)
}

/** The same of what may not be there. @returns null: ENOENT */
export function openIfThere(dir: At, path: PathBytes, flags: number, resolve: number): Fd | null {
  const { rc, call } = callOpenat2(dir, path, { flags, mode: 0, resolve })
  const fd = checkUnless(ERRNO.ENOENT, rc, call)
  return fd === null ? null : new Fd(fd, call.path)
}

interface OpenHow {
  flags: number
  mode: number
  resolve: number
}

function callOpenat2(dir: At, path: PathBytes, { flags, mode, resolve }: OpenHow) {
  how.writeBigUInt64LE(BigInt(flags | O.O_CLOEXEC), 0)
  how.writeBigUInt64LE(BigInt(mode), 8)
  how.writeBigUInt64LE(BigInt(resolve), 16)
  const name = cstr(path, 'openat2')
  let rc: number = -ERRNO.EAGAIN
  for (let i = 0; rc === -ERRNO.EAGAIN && i < EAGAIN_RETRIES; i++)
    rc = openat2Call(at(dir), name, how, how.length)
  const call = {
    syscall: 'openat2',
    show: () =>
      `${where(dir)}, ${quote(path)}, {flags=${flagNames(O, flags)}, resolve=${flagNames(RESOLVE, resolve)}}`,
    path: pathOf(dir, path),
  }
  return { rc, call }
}

/** mkdirat(2). The umask applies. @throws {SyscallError} EEXIST, ENOENT, ENOSPC, EROFS */
export function mkdirat(dir: At, name: string, mode: number): void {
  check(mkdiratCall(at(dir), cstr(name, 'mkdirat'), mode), {
    syscall: 'mkdirat',
    show: () => `${where(dir)}, ${quote(name)}, 0${mode.toString(8)}`,
    path: pathOf(dir, name),
  })
}

/** renameat2(2). @throws {SyscallError} EEXIST: with RENAME_NOREPLACE. EBUSY: a mount point here. ENOENT */
export function renameat2(from: At, oldName: PathBytes, to: At, newName: PathBytes, flags: number): void {
  check(renameat2Call(at(from), cstr(oldName, 'renameat2'), at(to), cstr(newName, 'renameat2'), flags), {
    syscall: 'renameat2',
    show: () =>
      `${where(from)}, ${quote(oldName)}, ${where(to)}, ${quote(newName)}, ${flagNames(RENAME, flags)}`,
    path: pathOf(from, oldName),
    dest: pathOf(to, newName),
  })
}

/** unlinkat(2); with AT_REMOVEDIR rmdir. @throws {SyscallError} ENOENT, ENOTEMPTY, EBUSY, EISDIR */
export function unlinkat(dir: At, name: PathBytes, flags: number): void {
  check(unlinkatCall(at(dir), cstr(name, 'unlinkat'), flags), {
    syscall: 'unlinkat',
    show: () => `${where(dir)}, ${quote(name)}, ${flagNames(AT, flags)}`,
    path: pathOf(dir, name),
  })
}

/** readlinkat(2) on an O_PATH|O_NOFOLLOW descriptor of the link itself. @throws {SyscallError} EINVAL: not a symlink. */
export function readlinkFd(link: Fd): string {
  const buffer = Buffer.alloc(4096)
  const length = check(readlinkatCall(link.number, Buffer.of(0), buffer, buffer.length), {
    syscall: 'readlinkat',
    show: () => `${where(link)}, ''`,
    path: link.label,
  })
  return buffer.toString('utf8', 0, length)
}

/** fchown(2); needs a real descriptor, not an O_PATH one. @throws {SyscallError} EBADF, EPERM, EROFS, EDQUOT */
export function fchown(file: Fd, uid: number, gid: number): void {
  check(fchownCall(file.number, uid, gid), {
    syscall: 'fchown',
    show: () => `${where(file)}, ${uid}, ${gid}`,
    path: file.label,
  })
}

/** fchmod(2); after fchown, which clears set-id bits. @throws {SyscallError} EBADF, EPERM, EROFS */
export function fchmod(file: Fd, mode: number): void {
  check(fchmodCall(file.number, mode), {
    syscall: 'fchmod',
    show: () => `${where(file)}, 0${mode.toString(8)}`,
    path: file.label,
  })
}

/** fchdir(2). @throws {SyscallError} EACCES, ENOTDIR */
export function fchdir(dir: Fd): void {
  check(fchdirCall(dir.number), { syscall: 'fchdir', show: () => where(dir), path: dir.label })
}

/** flock(2). @returns false when LOCK_NB was given and somebody else holds the lock. @throws {SyscallError} ENOLCK, EBADF */
export function flock(file: Fd, operation: number): boolean {
  const rc = flockCall(file.number, operation)
  if (rc === -ERRNO.EAGAIN) return false
  check(rc, {
    syscall: 'flock',
    show: () => `${where(file)}, ${flagNames(LOCK, operation)}`,
    path: file.label,
  })
  return true
}

/** getxattr(2) of what `file` refers to, an O_PATH descriptor too. @returns null when it has no such attribute or the file system has none. */
export function getxattr(file: Fd, name: string): Buffer | null {
  const value = Buffer.alloc(1024)
  const rc = getxattrCall(cstr(file.procPath, 'getxattr'), cstr(name, 'getxattr'), value, value.length)
  const call = { syscall: 'getxattr', show: () => `${where(file)}, ${quote(name)}`, path: file.label }
  if (rc === -ERRNO.ENODATA || rc === -ERRNO.EOPNOTSUPP) return null
  return value.subarray(0, check(rc, call))
}

/** setxattr(2) of what `file` refers to. @throws {SyscallError} EOPNOTSUPP, EPERM, ENOSPC */
export function setxattr(file: Fd, name: string, value: Buffer): void {
  check(setxattrCall(cstr(file.procPath, 'setxattr'), cstr(name, 'setxattr'), value, value.length, 0), {
    syscall: 'setxattr',
    show: () => `${where(file)}, ${quote(name)}, ${quote(value)}`,
    path: file.label,
  })
}

/** removexattr(2) of what `file` refers to. @throws {SyscallError} ENODATA: it has none of that name. EOPNOTSUPP, EPERM */
export function removexattr(file: Fd, name: string): void {
  check(removexattrCall(cstr(file.procPath, 'removexattr'), cstr(name, 'removexattr')), {
    syscall: 'removexattr',
    show: () => `${where(file)}, ${quote(name)}`,
    path: file.label,
  })
}

/** listxattr(2): the names of the extended attributes, POSIX ACLs among them as system.posix_acl_*. */
export function listxattr(file: Fd): string[] {
  const path = cstr(file.procPath, 'listxattr')
  const call = { syscall: 'listxattr', show: () => where(file), path: file.label }
  // Most files have none, and to clear room for the longest list there can be takes as long as to mount something.
  const size = listxattrCall(path, null, 0)
  if (size === 0 || size === -ERRNO.EOPNOTSUPP) return []
  check(size, call)
  const names = Buffer.alloc(XATTR_LIST_MAX)
  return names
    .toString('utf8', 0, check(listxattrCall(path, names, names.length), call))
    .split('\0')
    .filter(Boolean)
}
