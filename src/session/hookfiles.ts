/*
 * Which hooks there are, and whether root may run them. A hook is run by its path, so nobody but root may be able to change
 * what any part of that path means: every directory, every file, and whatever a symbolic link on the way leads to, must be
 * root's and writable by root alone.
 */
import { readdirSync } from 'node:fs'
import { components, MAX_SYMLINKS } from '../ns/safepath.js'
import { messageOf, UnsafePathError } from '../sys/errors.js'
import type { Fd } from '../sys/fd.js'
import { O } from '../sys/flags.js'
import { openat2, openIfThere, readlinkFd } from '../sys/path.js'
import { type FileType, type Stat, statx } from '../sys/stat.js'

/** How a hook is run: the login waits for it, or it goes on by itself, or it is one of those that run in order behind the login's back. */
export type HookKind = 'waited' | 'detached' | 'background'

export interface Hook {
  kind: HookKind
  name: string
  path: string
}

export interface FoundHooks {
  /** In byte order of their names. */
  hooks: Hook[]
  /** What was there and will not be run, each with the reason. */
  refused: { name: string; why: string }[]
}

// Hidden ones, and what editors and package managers leave beside a file that they replace.
const LEFTOVER = /^\.|~$|\.bak$|\.dpkg-[^.]*$|\.rpm[^.]*$/

/** @returns null: a name that is no hook's, to be passed over in silence */
export function hookKind(name: string): HookKind | null {
  if (LEFTOVER.test(name)) return null
  if (/^\d\dW-/.test(name)) return 'waited'
  return /^\d\dD-/.test(name) ? 'detached' : 'background'
}

/** By the bytes of UTF-8, whatever the locale: `10` before `9`, `B` before `a`. */
export function inByteOrder(names: readonly string[]): string[] {
  return [...names].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
}

/**
 * The hooks in `directory`.
 * @returns null when there is no such directory, as on most machines: that costs one call
 * @throws {UnsafePathError} somebody other than root could have put something into it
 * @throws {SyscallError} ENOTDIR, EACCES
 */
export function findHooks(directory: string): FoundHooks | null {
  using opened = openIfThere(null, directory, O.O_PATH | O.O_DIRECTORY, 0)
  if (opened === null) return null
  assertTrusted(directory, 'directory')
  const found: FoundHooks = { hooks: [], refused: [] }
  for (const name of inByteOrder(readdirSync(opened.procPath))) {
    const kind = hookKind(name)
    if (kind === null) continue
    const path = `${directory}/${name}`
    try {
      const { mode } = assertTrusted(path, 'file')
      if ((mode & 0o111) === 0) throw new UnsafePathError(path, 'is not executable; chmod 755 it')
      found.hooks.push({ kind, name, path })
    } catch (error) {
      found.refused.push({ name, why: messageOf(error) })
    }
  }
  return found
}

/**
 * Follows `path`, absolute, and looks at each thing on the way.
 * @throws {UnsafePathError} one of them is not root's alone, or the last one is not a `wanted`
 * @throws {SyscallError} ENOENT: also a link that leads nowhere
 */
export function assertTrusted(path: string, wanted: FileType): Stat {
  const rest = components(path)
  let at = openat2(null, '/', O.O_PATH | O.O_DIRECTORY, 0)
  let links = 0
  try {
    let stat = assertRootsAlone(at)
    for (let name = rest.shift(); name !== undefined; name = rest.shift()) {
      const next = openat2(at, name, O.O_PATH | O.O_NOFOLLOW, 0)
      if (statx(next).type === 'symlink') {
        // Who made it, its directory says: that has been looked at.
        using link = next
        if (++links > MAX_SYMLINKS) throw new UnsafePathError(path, 'has too many symbolic links')
        const target = readlinkFd(link)
        rest.unshift(...components(target))
        if (!target.startsWith('/')) continue
        at[Symbol.dispose]()
        at = openat2(null, '/', O.O_PATH | O.O_DIRECTORY, 0)
        stat = statx(at)
        continue
      }
      at[Symbol.dispose]()
      at = next
      stat = assertRootsAlone(at)
    }
    if (stat.type !== wanted) throw new UnsafePathError(path, `is not a ${wanted} but a ${stat.type}`)
    return stat
  } finally {
    at[Symbol.dispose]()
  }
}

/** A writable ACL entry shows in the group bits, which are its mask: acl(5). */
function assertRootsAlone(file: Fd): Stat {
  const stat = statx(file)
  if (stat.uid === 0 && (stat.mode & 0o022) === 0) return stat
  const mode = stat.mode.toString(8).padStart(4, '0')
  throw new UnsafePathError(
    file.label,
    `can be written by others than root (uid ${stat.uid}, mode ${mode}); chown root and chmod go-w it`,
  )
}
