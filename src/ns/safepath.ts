/*
 * Opening a directory by a path that users may have had their hands on. A symlink is followed only while every directory
 * on the way so far belongs to root and can be written by nobody else: below that, a user could swap it at any moment.
 * The result is a descriptor; no path is resolved a second time.
 */
import { dirname } from 'node:path'
import { during } from '../sys/call.js'
import { SyscallError, UnsafePathError } from '../sys/errors.js'
import type { Fd } from '../sys/fd.js'
import { O, RESOLVE } from '../sys/flags.js'
import { openat2, readlinkFd } from '../sys/path.js'
import { type Stat, statx } from '../sys/stat.js'

const DIRECTORY = O.O_PATH | O.O_DIRECTORY
export const MAX_SYMLINKS = 40 // path_resolution(7)

/**
 * Opens the directory `unsafePath`, absolute, with O_PATH.
 * @throws {UnsafePathError} a symlink where a user can write, or something that is no directory
 * @throws {SyscallError} ENOENT, EACCES
 */
export function openSafe(unsafePath: string): Fd {
  try {
    // Most paths hold no symlink at all: one call, and the kernel does the walk.
    return openat2(null, unsafePath, DIRECTORY, RESOLVE.RESOLVE_NO_SYMLINKS)
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error
    if (error.code === 'ENOTDIR') throw notADirectory(unsafePath, error)
    if (error.code !== 'ELOOP') throw error
  }
  return during(`open '${unsafePath}'`, () => walk(unsafePath).dir)
}

/** The directory that holds the last component, and that component. @throws as {@link openSafe} */
export function openSafeParent(unsafePath: string): { dir: Fd; name: string } {
  const path = unsafePath.replace(/\/+$/, '')
  return { dir: openSafe(dirname(path)), name: path.slice(path.lastIndexOf('/') + 1) }
}

/**
 * Whether only root can change what stands at `path`: each directory above it, those that links lead through too, is root's and
 * closed to the others. For what is about to be used by its path, which no descriptor can hold.
 */
export function isFixedPath(path: string): boolean {
  try {
    const { dir, safe } = walk(dirname(path))
    dir[Symbol.dispose]()
    return safe
  } catch (error) {
    if (error instanceof SyscallError || error instanceof UnsafePathError) return false
    throw error
  }
}

function walk(unsafePath: string): { dir: Fd; safe: boolean } {
  const rest = components(unsafePath)
  let dir = openat2(null, '/', DIRECTORY, 0)
  let safe = isSafe(statx(dir))
  let links = 0
  try {
    for (let name = rest.shift(); name !== undefined; name = rest.shift()) {
      using next = openat2(dir, name, O.O_PATH | O.O_NOFOLLOW, 0)
      const stat = statx(next)
      if (stat.type === 'symlink') {
        if (!safe)
          throw new UnsafePathError(next.label, 'is a symbolic link in a directory that a user can write to')
        if (++links > MAX_SYMLINKS) throw new UnsafePathError(unsafePath, 'has too many symbolic links')
        const link = readlinkFd(next)
        rest.unshift(...components(link))
        if (!link.startsWith('/')) continue
        dir[Symbol.dispose]()
        dir = openat2(null, '/', DIRECTORY, 0)
        safe = isSafe(statx(dir))
        continue
      }
      if (stat.type !== 'directory') throw notADirectory(next.label)
      // O_DIRECTORY makes an automount happen, which the O_PATH descriptor alone does not.
      const entered = openat2(dir, name, DIRECTORY | O.O_NOFOLLOW, 0)
      dir[Symbol.dispose]()
      dir = entered
      safe &&= isSafe(statx(dir))
    }
    return { dir, safe }
  } catch (error) {
    dir[Symbol.dispose]()
    throw error
  }
}

/** The names on a path, without those that mean where one is already. */
export const components = (path: string): string[] =>
  path.split('/').filter((name) => name !== '' && name !== '.')

/** Nobody but root can put a name into this directory. Sticky directories do not count: anyone can add to those. */
function isSafe(stat: Stat): boolean {
  return stat.uid === 0 && (stat.mode & 0o022) === 0
}

function notADirectory(path: string, cause?: unknown): UnsafePathError {
  let what = 'something else'
  try {
    using file = openat2(null, path, O.O_PATH | O.O_NOFOLLOW, 0)
    what = statx(file).type
  } catch {
    // The kind is only for the message.
  }
  return new UnsafePathError(path, `is not a directory but a ${what}`, { cause })
}
