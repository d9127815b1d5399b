/*
 * The commit: makes the waiting PAM application enter the namespace that this process has built, see Tracee for how.
 * Until setns nothing of the application has changed but that it no longer shares its fs_struct. After it, and in the middle
 * of a syscall, whatever fails ends the application, as a death of ours in between does: EXITKILL.
 */
import { readlinkSync } from 'node:fs'
import { during, ignoring } from '../sys/call.js'
import { UnsupportedError } from '../sys/errors.js'
import type { Fd } from '../sys/fd.js'
import { CLONE, O, RESOLVE } from '../sys/flags.js'
import { openat2 } from '../sys/path.js'
import { withRightsOf } from '../sys/process.js'
import { sameFile, statx } from '../sys/stat.js'
import { type MountNamespace, mountNamespaceOf, ownNamespace } from './enter.js'
import type { Target } from './target.js'
import { Tracee } from './tracee.js'

export interface UserRights {
  uid: number
  gid: number
  gids: readonly number[]
}

/** The working directory of the target before the session: how people call it, and which directory it is. */
export interface WorkingDirectory {
  path: string
  dir: Fd
}

/** @throws {SyscallError} ENOENT: the target has ended */
export function workingDirectoryOf(target: Target): WorkingDirectory {
  const link = `${target.proc}/cwd`
  return { path: readlinkSync(link), dir: openat2(null, link, O.O_PATH, 0) }
}

/**
 * The same working directory as the session will know it. Called in the new namespace.
 * A directory that the application was in already is opened as root, for nothing is gained by it; under a polydir the path
 * now means another directory, and that one is opened with the user's own rights.
 * @returns null: the root directory, also where the path no longer leads anywhere
 */
export function openWorkingDirectory(before: WorkingDirectory, user: UserRights): Fd | null {
  if (before.path === '/' || !before.path.startsWith('/')) return null
  const open = (path: string) => openat2(null, path, O.O_PATH | O.O_DIRECTORY, RESOLVE.RESOLVE_NO_MAGICLINKS)
  const unreachable = ['ENOENT', 'ENOTDIR', 'EACCES', 'ELOOP', 'EPERM', 'ESTALE']
  const asRoot = ignoring(unreachable, 'the session starts in / then', () => open(before.path))
  if (asRoot !== undefined) {
    if (sameFile(statx(asRoot), statx(before.dir))) return asRoot
    asRoot[Symbol.dispose]()
  }
  // O_PATH asks for no right to the directory itself; to look up `.` in it takes the one that chdir(2) needs.
  const asUser = () => withRightsOf(user, () => open(`${before.path}/.`))
  return ignoring(unreachable, 'the session starts in / then', asUser) ?? null
}

/**
 * Moves the target thread into this thread's mount namespace, with `cwd` as its working directory (null: the root).
 * @throws {UnsupportedError} it cannot be traced, or is a 32-bit program
 * @throws {SyscallError} what the kernel refused the target; the target is then as it was
 */
export function adopt(target: Target, cwd: Fd | null): void {
  using own = ownNamespace()
  during(`move process ${target.pid} into the session's namespace`, () => {
    using tracee = Tracee.seize(target.tid)
    target.assertUnchanged()
    const pidfd = tracee.call('pidfd_open', process.pid, 0)
    try {
      // A thread that shares its fs_struct cannot change its mount namespace: slurmstepd and every other threaded program.
      tracee.call('unshare', CLONE.CLONE_FS)
      const dir = cwd === null ? null : tracee.call('pidfd_getfd', pidfd, cwd.number, 0)
      try {
        tracee.call('setns', pidfd, CLONE.CLONE_NEWNS)
        finish(tracee, dir, () => assertIn(target, own))
      } finally {
        if (dir !== null) closeIn(tracee, dir)
      }
    } finally {
      closeIn(tracee, pidfd)
    }
  })
}

// chdir(2)'s list, and what a network file system may add.
const CHDIR_ERRORS = ['EACCES', 'EIO', 'ENOENT', 'ENOTDIR', 'EPERM', 'ESTALE']

/** From here there is no way back: a thread of which anything is in doubt must not go on. */
function finish(tracee: Tracee, dir: number | null, verify: () => void): void {
  try {
    if (dir !== null) ignoring(CHDIR_ERRORS, 'setns left it in /', () => tracee.call('fchdir', dir))
    verify()
  } catch (error) {
    tracee.abandon()
    throw error
  }
}

function assertIn(target: Target, namespace: MountNamespace): void {
  using now = mountNamespaceOf(target.proc)
  if (now.inode === namespace.inode) return
  const why = 'it took setns but is in another namespace still'
  throw new UnsupportedError(`adopting process ${target.pid}`, why)
}

function closeIn(tracee: Tracee, fd: number): void {
  if (tracee.abandoned) return // it ends with all that it has open
  tracee.call('close', fd)
}
