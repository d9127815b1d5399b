/* Flags with the kernel's spelling, and the one function that writes them for people. */
import { constants } from 'node:fs'

export const MS = {
  MS_RDONLY: 0x1,
  MS_NOSUID: 0x2,
  MS_NODEV: 0x4,
  MS_NOEXEC: 0x8,
  MS_REMOUNT: 0x20,
  MS_BIND: 0x1000,
  MS_REC: 0x4000,
  MS_UNBINDABLE: 0x20000,
  MS_PRIVATE: 0x40000,
  MS_SLAVE: 0x80000,
  MS_SHARED: 0x100000,
} as const

export const MNT = { MNT_DETACH: 0x2, UMOUNT_NOFOLLOW: 0x8 } as const

export const CLONE = {
  CLONE_FS: 0x200,
  CLONE_NEWNS: 0x20000,
} as const

export const O = {
  O_RDONLY: 0,
  O_RDWR: constants.O_RDWR,
  O_CREAT: constants.O_CREAT,
  O_DIRECTORY: constants.O_DIRECTORY,
  O_NOFOLLOW: constants.O_NOFOLLOW,
  O_PATH: 0o10000000,
  O_CLOEXEC: 0o2000000,
} as const

export const RESOLVE = {
  RESOLVE_NO_XDEV: 0x1,
  RESOLVE_NO_MAGICLINKS: 0x2,
  RESOLVE_NO_SYMLINKS: 0x4,
  RESOLVE_BENEATH: 0x8,
} as const

export const AT = {
  AT_SYMLINK_NOFOLLOW: 0x100,
  AT_REMOVEDIR: 0x200,
  AT_EMPTY_PATH: 0x1000,
  AT_RECURSIVE: 0x8000,
  OPEN_TREE_CLONE: 0x1,
  OPEN_TREE_CLOEXEC: O.O_CLOEXEC,
} as const

export const MOVE_MOUNT = { MOVE_MOUNT_F_EMPTY_PATH: 0x4, MOVE_MOUNT_T_EMPTY_PATH: 0x40 } as const

export const MOUNT_ATTR = {
  MOUNT_ATTR_RDONLY: 0x1,
  MOUNT_ATTR_NOSUID: 0x2,
  MOUNT_ATTR_NODEV: 0x4,
  MOUNT_ATTR_NOEXEC: 0x8,
  MOUNT_ATTR_RELATIME: 0,
  MOUNT_ATTR_NOATIME: 0x10,
  MOUNT_ATTR__ATIME: 0x70,
  MOUNT_ATTR_NODIRATIME: 0x80,
  MOUNT_ATTR_IDMAP: 0x100000,
  MOUNT_ATTR_NOSYMFOLLOW: 0x200000,
} as const

export const RENAME = { RENAME_NOREPLACE: 0x1, RENAME_EXCHANGE: 0x2 } as const

export const LOCK = { LOCK_SH: 1, LOCK_EX: 2, LOCK_NB: 4, LOCK_UN: 8 } as const

export const WAIT = { WNOHANG: 0x1, __WALL: 0x40000000 } as const

export const PTRACE_O = {
  PTRACE_O_TRACESYSGOOD: 0x1,
  PTRACE_O_EXITKILL: 0x100000,
  PTRACE_O_SUSPEND_SECCOMP: 0x200000,
} as const

/** Writes a flag word as its names: `MS_BIND|MS_REC`, `0` for none, and bits without a name in hex. */
export function flagNames(table: Readonly<Record<string, number>>, value: number): string {
  const names: string[] = []
  let rest = value
  for (const [name, bit] of Object.entries(table)) {
    if (bit !== 0 && (rest & bit) === bit) {
      names.push(name)
      rest &= ~bit
    }
  }
  if (rest !== 0) names.push(`0x${(rest >>> 0).toString(16)}`)
  return names.join('|') || '0'
}
