/*
 * keep=: names of the real directory that stay visible in the private one, `/tmp/.X11-unix` above all. Both sides may be
 * writable by users, so each is a directory opened without following a link, and the real one must be root's. What is not
 * like that is left out, with a note: a user must not be able to refuse others their login by making such a name.
 */
import { SyscallError } from '../sys/errors.js'
import type { Fd } from '../sys/fd.js'
import { MS, O, RESOLVE } from '../sys/flags.js'
import { mountSetattr, moveMount, openTreeClone } from '../sys/mount.js'
import { openat2 } from '../sys/path.js'
import { statx } from '../sys/stat.js'
import { exists, makeDirectory, templateOf } from './instance.js'

const DIRECTORY = O.O_PATH | O.O_DIRECTORY | O.O_NOFOLLOW

const WHY_NOT: Readonly<Record<string, string>> = {
  ENOTDIR: 'is not a directory',
  ELOOP: 'is not a directory',
  EXDEV: 'is a mount point',
}

export interface Kept {
  name: string
  source: Fd
  clone: Fd
}

/** Takes hold of the names before the polydir is covered. Missing ones are skipped. */
export function takeKept(polydir: Fd, names: readonly string[], notes: string[]): Kept[] {
  const kept: Kept[] = []
  for (const name of names) {
    const source = openDirectory(polydir, name, notes)
    if (source === undefined) continue
    if (statx(source).uid !== 0) {
      notes.push(`keep=${name}: ${source.label} does not belong to root and stays hidden`)
      source[Symbol.dispose]()
      continue
    }
    const clone = openTreeClone(source)
    mountSetattr(clone, 0, MS.MS_PRIVATE)
    kept.push({ name, source, clone })
  }
  return kept
}

/** Shows them in the private directory, where they are made when missing. */
export function showKept(privateDir: Fd, kept: readonly Kept[], notes: string[]): void {
  for (const { name, source, clone } of kept) {
    using _source = source
    using _clone = clone
    if (!exists(privateDir, name)) makeDirectory(privateDir, name, templateOf(source))
    const target = openDirectory(privateDir, name, notes)
    if (target === undefined) continue
    moveMount(clone, target)
    target[Symbol.dispose]()
  }
}

function openDirectory(dir: Fd, name: string, notes: string[]): Fd | undefined {
  try {
    // No mount is crossed: a user's FUSE mount there could let every login wait for its answer.
    return openat2(dir, name, DIRECTORY, RESOLVE.RESOLVE_NO_SYMLINKS | RESOLVE.RESOLVE_NO_XDEV)
  } catch (error) {
    if (!(error instanceof SyscallError) || !(error.code === 'ENOENT' || error.code in WHY_NOT)) throw error
    const why = WHY_NOT[error.code]
    if (why !== undefined) notes.push(`keep=${name}: ${dir.label}/${name} ${why} and is left out`)
    return undefined
  }
}
