/*
 * What marks a mount namespace as one of ours: an empty, read-only tmpfs `polyns:UID` on /run/polyns/ns. It is made with the
 * namespace and goes with it, so it needs no registry to be right: an sshd that was restarted inside a private session is
 * recognised after that session's records are gone, and an administrator sees it in mount(8).
 */
import { readFileSync } from 'node:fs'
import type { Fd } from '../sys/fd.js'
import { MOUNT_ATTR, MS } from '../sys/flags.js'
import { mountSetattr, moveMount } from '../sys/mount.js'
import { emptyTmpfs, newTmpfs } from './tmpfs.js'

/** Where the mark is mounted; `polyns setup` and the first session make the directory. */
export const MARK_DIRECTORY = '/run/polyns/ns'

const ATTRIBUTES =
  MOUNT_ATTR.MOUNT_ATTR_RDONLY |
  MOUNT_ATTR.MOUNT_ATTR_NOSUID |
  MOUNT_ATTR.MOUNT_ATTR_NODEV |
  MOUNT_ATTR.MOUNT_ATTR_NOEXEC

/** Marks this thread's namespace as a private one of `uid`. */
export function markNamespace(directory: Fd, uid: number): void {
  using mark = newTmpfs(`polyns:${uid}`, emptyTmpfs(1), ATTRIBUTES)
  mountSetattr(mark, 0, MS.MS_PRIVATE)
  moveMount(mark, directory)
}

/** The uid whose private namespace the thread `proc` (a directory of /proc) is in; null: not one of ours. */
export function markedUid(proc: string): number | null {
  return uidOfMark(readFileSync(`${proc}/mountinfo`, 'utf8'))
}

/** As {@link markedUid}, from the text of a mountinfo file. */
export function uidOfMark(mountinfo: string): number | null {
  // 42 27 0:45 / /run/polyns/ns ro,nosuid - tmpfs polyns:1000 ro,size=4k
  const mark = new RegExp(`^\\S+ \\S+ \\S+ / ${MARK_DIRECTORY} .* - tmpfs polyns:(\\d+) `, 'm').exec(
    mountinfo,
  )
  return mark === null ? null : Number(mark[1])
}
