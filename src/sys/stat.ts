/* statx(2): one call tells type, owner, device, inode and the mount. */
import { constants } from 'node:fs'
import { bind, check, cstr, quote } from './call.js'
import { AT_FDCWD } from './fd.js'
import { AT } from './flags.js'
import { type At, pathOf } from './path.js'

const statxCall = bind('statx', 'int', 'ptr', 'int', 'int', 'ptr')

const buffer = Buffer.alloc(256) // struct statx
const STATX_BASIC_STATS = 0x7ff
const STATX_MNT_ID = 0x1000 // 5.8

export type FileType =
  | 'directory'
  | 'symlink'
  | 'file'
  | 'fifo'
  | 'socket'
  | 'block device'
  | 'character device'
  | 'unknown'

const TYPES: Readonly<Record<number, FileType>> = {
  [constants.S_IFDIR]: 'directory',
  [constants.S_IFLNK]: 'symlink',
  [constants.S_IFREG]: 'file',
  [constants.S_IFIFO]: 'fifo',
  [constants.S_IFSOCK]: 'socket',
  [constants.S_IFBLK]: 'block device',
  [constants.S_IFCHR]: 'character device',
}

export interface Stat {
  type: FileType
  /** Permission bits with set-id and sticky: mode & 07777. */
  mode: number
  uid: number
  gid: number
  ino: bigint
  /** `major:minor` as mountinfo writes it. */
  dev: string
  mountId: bigint
  nlink: number
  /** In bytes. */
  size: number
}

/**
 * statx(2) of `path` under `dir`, or of `dir` itself when `path` is ''. A symlink as last component is not followed.
 * @throws {SyscallError} ENOENT, ENOTDIR, EACCES
 */
export function statx(dir: At, path = ''): Stat {
  const flags = AT.AT_SYMLINK_NOFOLLOW | AT.AT_EMPTY_PATH
  const fd = dir === null ? AT_FDCWD : dir.number
  check(statxCall(fd, cstr(path, 'statx'), flags, STATX_BASIC_STATS | STATX_MNT_ID, buffer), {
    syscall: 'statx',
    show: () => `${fd}, ${quote(pathOf(dir, path))}, AT_SYMLINK_NOFOLLOW|AT_EMPTY_PATH`,
    path: pathOf(dir, path),
  })
  const mode = buffer.readUInt16LE(28)
  return {
    type: TYPES[mode & constants.S_IFMT] ?? 'unknown',
    mode: mode & 0o7777,
    uid: buffer.readUInt32LE(20),
    gid: buffer.readUInt32LE(24),
    ino: buffer.readBigUInt64LE(32),
    dev: `${buffer.readUInt32LE(136)}:${buffer.readUInt32LE(140)}`,
    mountId: buffer.readBigUInt64LE(144),
    nlink: buffer.readUInt32LE(16),
    size: Number(buffer.readBigUInt64LE(40)),
  }
}

/** Whether two stats are of the same file. */
export function sameFile(a: Pick<Stat, 'dev' | 'ino'>, b: Pick<Stat, 'dev' | 'ino'>): boolean {
  return a.dev === b.dev && a.ino === b.ino
}
