/*
 * Takes one instance away: renamed aside within its own parent while the user's lock is held, so that a new session gets a
 * fresh directory at once; deleted after, when nobody waits any more.
 */
import { parentFaults } from '../ns/instance.js'
import { openSafe } from '../ns/safepath.js'
import { ignoring } from '../sys/call.js'
import { SyscallError, UnsafePathError } from '../sys/errors.js'
import type { Fd } from '../sys/fd.js'
import { O, RENAME, RESOLVE } from '../sys/flags.js'
import { openat2, renameat2 } from '../sys/path.js'
import { randomHex } from '../sys/process.js'
import { type Stat, sameFile, statx } from '../sys/stat.js'
import { type Removal, removeTree } from './remove.js'

/** How a directory is called that only waits for its deletion. The dot keeps it apart from every user name. */
export const REAPED = '.reaped.'

/** An instance that has been renamed aside. */
export interface Aside extends Disposable {
  readonly parent: Fd
  readonly name: string
}

/** Which directory is meant: its path, and the device and inode that it had when it was mounted. */
export interface Instance {
  instance: string
  dev: string
  ino: string
}

/**
 * What is under `name` itself, never what is mounted on it: a file system's server may hang, and we with it.
 * @throws {SyscallError} ENOENT. EXDEV: something is mounted there
 */
export function statEntry(parent: Fd, name: string): Stat {
  const beneath = RESOLVE.RESOLVE_NO_XDEV | RESOLVE.RESOLVE_NO_SYMLINKS
  using entry = openat2(parent, name, O.O_PATH | O.O_NOFOLLOW, beneath)
  return statx(entry)
}

/**
 * Renames the instance aside. Called in the host's namespace with the user's lock held.
 * @returns null when it is gone, or another directory bears the name by now
 * @throws {UnsafePathError} the parent is not root's alone: whatever is in there, root must not delete it
 */
export function setAside({ instance, dev, ino }: Instance): Aside | null {
  const slash = instance.lastIndexOf('/')
  const name = instance.slice(slash + 1)
  const parent = openSafe(instance.slice(0, slash))
  try {
    const faults = parentFaults(parent)
    if (faults.length > 0) throw new UnsafePathError(parent.label, faults.join(', '))
    const aside = `${REAPED}${randomHex(8)}`
    // Only of the entry itself does ENOENT mean that it is gone: whoever hears that forgets it.
    const isAside = ignoring(['ENOENT'], 'it is gone', () => {
      if (!sameFile(statEntry(parent, name), { dev, ino: BigInt(ino) })) return false
      renameat2(parent, name, parent, aside, RENAME.RENAME_NOREPLACE)
      return true
    })
    if (isAside === true) return { parent, name: aside, [Symbol.dispose]: () => parent[Symbol.dispose]() }
    parent[Symbol.dispose]()
    return null
  } catch (error) {
    parent[Symbol.dispose]()
    throw error
  }
}

/** Deletes what was set aside, up to `deadline`. Never throws for what stands in the way: the next one is to have its turn. */
export function removeAside({ parent, name }: Pick<Aside, 'parent' | 'name'>, deadline: number): Removal {
  try {
    return removeTree(parent, name, { deadline })
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error
    // A reap takes up whatever lies aside, and may be faster than who has put it there.
    const isGone = error.code === 'ENOENT'
    const left = isGone ? [] : [{ path: `${parent.label}/${name}`, code: error.code }]
    return { removed: 0, left, complete: true }
  }
}
