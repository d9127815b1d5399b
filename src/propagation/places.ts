/*
 * The directories that the boot step is about, looked at without a change. Those of users are left to the login; one that
 * a user could have arranged is refused.
 */
import { readlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { Rule } from '../config/index.js'
import { openSafe, openSafeParent } from '../ns/safepath.js'
import { during } from '../sys/call.js'
import { SyscallError, UnsafePathError } from '../sys/errors.js'
import type { Fd } from '../sys/fd.js'
import { O } from '../sys/flags.js'
import { listxattr, openat2 } from '../sys/path.js'
import { type Stat, sameFile, statx } from '../sys/stat.js'
import type { Place } from './plan.js'

/** The polydirs of the configuration that are the same for every user. */
export function staticPolydirs(rules: readonly Rule[]): string[] {
  const paths = rules.map(({ polydir }) => polydir).filter((path) => path !== '/' && !dependsOnUser(path))
  return [...new Set(paths)]
}

/** The directories that hold instances, those that are the same for every user: all before the prefix's last slash. */
export function staticParents(rules: readonly Rule[]): string[] {
  const paths = rules
    .filter(({ polydir, method }) => polydir !== '/' && method !== 'tmpfs')
    .map(({ prefix }) => prefix.slice(0, prefix.lastIndexOf('/')).replace(/\/+$/, ''))
    .filter((path) => path !== '' && !dependsOnUser(path))
  return [...new Set(paths)]
}

function dependsOnUser(path: string): boolean {
  return /\$(USER|HOME)/.test(path)
}

/** @throws {UnsafePathError} a symbolic link, or no directory */
export function findPolydir(path: string): Place {
  try {
    using dir = openDirectory(path)
    return { path, real: realPath(dir), note: '' }
  } catch (error) {
    if (!isMissing(error)) throw error
    return { path, real: null, note: 'it is not there; the flag create makes it at the first login' }
  }
}

/** @throws {UnsafePathError} a symbolic link, or no directory. {@link SyscallError} ENOENT */
export function findShared(path: string): Place {
  using dir = during(`--share ${path}, which must be there`, () => openDirectory(path))
  return { path, real: realPath(dir), note: '' }
}

/** What an instance parent lacks. */
export interface ParentPlace extends Place {
  /** Its last component has to be made. */
  isMissing: boolean
  faults: Fault[]
}

export type Fault = 'mode' | 'group' | 'acl'

/**
 * @param missing the polydirs that are not there: a parent in one of them can wait for the login, too
 * @throws {UnsafePathError} a user has made it, or could put another in its place
 * @throws {SyscallError} ENOENT: more than its last component is missing
 */
export function findParent(path: string, missing: readonly string[]): ParentPlace {
  if (missing.some((polydir) => path.startsWith(`${polydir}/`))) {
    const note = 'it is to be in a directory that is not there'
    return { path, real: null, note, isMissing: false, faults: [] }
  }
  const { dir, name } = during(`the instance parent ${path} needs a directory to be made in`, () =>
    openSafeParent(path),
  )
  using above = dir
  requireTrusted(above)
  const real = join(realPath(above), name)
  try {
    using parent = openDirectory(path)
    return { path, real: realPath(parent), note: '', isMissing: false, faults: faultsOf(parent) }
  } catch (error) {
    if (!isMissing(error)) throw error
    return { path, real, note: '', isMissing: true, faults: [] }
  }
}

/** What can be repaired of a parent. @throws {UnsafePathError} a user owns it */
export function faultsOf(parent: Fd): Fault[] {
  const { uid, gid, mode } = statx(parent)
  if (uid !== 0) {
    throw new UnsafePathError(
      parent.label,
      `belongs to uid ${uid}, not to root: look who made it and what is in it, then move it away`,
    )
  }
  const faults: Fault[] = []
  if ((mode & 0o777) !== 0) faults.push('mode')
  if (aclsOf(parent).length > 0) faults.push('acl')
  if (gid !== 0) faults.push('group')
  return faults
}

export function aclsOf(dir: Fd): string[] {
  return listxattr(dir).filter((name) => name.startsWith('system.posix_acl_'))
}

/** @throws {UnsafePathError} somebody besides root can rename what is in `dir`, or one of the directories above it */
export function requireTrusted(dir: Fd): void {
  let at = openat2(dir, '.', O.O_PATH | O.O_DIRECTORY, 0)
  try {
    for (;;) {
      const stat = statx(at)
      if (!isTrusted(stat)) {
        throw new UnsafePathError(
          realPath(at),
          "a user can rename what is in it: it must be root's, and sticky or closed to writing",
        )
      }
      const above = openat2(at, '..', O.O_PATH | O.O_DIRECTORY, 0)
      at[Symbol.dispose]()
      at = above
      // The root directory is its own parent.
      if (sameFile(stat, statx(at)) && stat.mountId === statx(at).mountId) return
    }
  } finally {
    at[Symbol.dispose]()
  }
}

function isTrusted({ uid, mode }: Stat): boolean {
  return uid === 0 && ((mode & 0o022) === 0 || (mode & 0o1000) !== 0)
}

/** As openSafe, and the last component is no symbolic link either. */
export function openDirectory(path: string): Fd {
  const { type } = statx(null, path)
  if (type === 'symlink') throw new UnsafePathError(path, 'is a symbolic link; name the directory itself')
  return openSafe(path)
}

function realPath(dir: Fd): string {
  return readlinkSync(dir.procPath)
}

function isMissing(error: unknown): boolean {
  return error instanceof SyscallError && error.code === 'ENOENT'
}
