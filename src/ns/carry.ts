/*
 * carry=: files that the service made for the user in the real directory before the session opened, sshd's Kerberos tickets
 * above all, go into the private one. Everybody can write to the real directory, so of a name only what is the user's own
 * plain file counts, and whatever goes wrong leaves the file where it was, with a note: no login fails by it.
 */
import { opendirSync } from 'node:fs'
import { messageOf, UnsafePathError } from '../sys/errors.js'
import { Fd } from '../sys/fd.js'
import { O, RESOLVE } from '../sys/flags.js'
import { openat2 } from '../sys/path.js'
import type { SessionMount } from './build.js'
import { carryFile, isOwnFile } from './carryfile.js'
import { openSafe, openSafeParent } from './safepath.js'
import { hasWildcard, matches } from './wildcard.js'

export interface CarryLimits {
  /** How many entries of the real directory are looked at. */
  entries: number
  /** How many files are taken to one private directory. */
  files: number
  /** What a file may hold that must be copied to another file system, in bytes. */
  bytes: number
  /** How many notes one directory may make: the user can make as many files as he likes. */
  notes: number
}

export const CARRY_LIMITS: CarryLimits = { entries: 100_000, files: 64, bytes: 1 << 20, notes: 8 }

const DIRECTORY = O.O_PATH | O.O_DIRECTORY | O.O_NOFOLLOW

/** Both directories of one carry=, held open from before the polydir is covered until the session is there. */
export class Carried implements Disposable {
  constructor(
    readonly polydir: Fd,
    /** null: a file system that only the session has; it is what the session sees at the polydir. */
    readonly privateDir: Fd | null,
    readonly path: string,
    readonly patterns: readonly string[],
  ) {}

  [Symbol.dispose](): void {
    this.polydir[Symbol.dispose]()
    this.privateDir?.[Symbol.dispose]()
  }
}

/**
 * Takes hold of both directories, which are lent; nothing is moved yet. For a session that is built: to be called before the
 * polydir is covered, with the instance as its parent leads to it, not with the mount of it, between which and the polydir
 * rename(2) does not work.
 * @param path of the polydir
 * @param privateDir null for a tmpfs, which {@link placeCarried} finds by the path
 */
export function takeCarried(
  polydir: Fd,
  privateDir: Fd | null,
  path: string,
  patterns: readonly string[],
): Carried {
  const real = again(polydir)
  try {
    return new Carried(real, privateDir === null ? null : again(privateDir), path, patterns)
  } catch (error) {
    real[Symbol.dispose]()
    throw error
  }
}

/**
 * The same for a session that joins: called in the base, where the polydirs are the real ones. What cannot be opened is left
 * out with a note.
 */
export function takeCarriedForJoin(
  steps: readonly { polydir: string; carry: readonly string[] }[],
  mounts: readonly Pick<SessionMount, 'polydir' | 'instance'>[],
  notes: string[],
): Carried[] {
  return steps.flatMap(({ polydir, carry }) => {
    const mount = mounts.filter((candidate) => candidate.polydir === polydir).at(-1)
    if (carry.length === 0 || mount === undefined) return []
    try {
      using real = openSafe(polydir)
      if (mount.instance === null) return [takeCarried(real, null, polydir, carry)]
      const { dir, name } = openSafeParent(mount.instance)
      using parent = dir
      using instance = openat2(parent, name, DIRECTORY, RESOLVE.RESOLVE_NO_SYMLINKS)
      return [takeCarried(real, instance, polydir, carry)]
    } catch (error) {
      notes.push(`carry= of ${polydir} left out: ${messageOf(error)}`)
      return []
    }
  })
}

/**
 * Moves the files. For when the session is committed: a session that is refused, or goes on in the host's view, has lost
 * nothing then. Never throws. In the session's namespace.
 * @returns the names of what is in the private directory now
 */
export function placeCarried(
  carried: Carried,
  uid: number,
  notes: string[],
  limits: CarryLimits = CARRY_LIMITS,
): string[] {
  const { polydir, privateDir, path, patterns } = carried
  const all: string[] = []
  let moved: string[] = []
  try {
    if (privateDir !== null) moved = carryFiles(polydir, privateDir, patterns, uid, all, limits)
    else {
      using seen = openSafe(path)
      moved = carryFiles(polydir, seen, patterns, uid, all, limits)
    }
  } catch (error) {
    all.push(messageOf(error))
  }
  notes.push(...all.slice(0, limits.notes).map((note) => `carry= of ${path}: ${note}`))
  if (all.length > limits.notes)
    notes.push(`carry= of ${path}: ${all.length - limits.notes} more notes like these`)
  return moved
}

/** Places each, and lets go of it. Never throws. */
export function placeAll(all: readonly Carried[], uid: number, notes: string[]): void {
  for (const carried of all) {
    using held = carried
    placeCarried(held, uid, notes)
  }
}

/** Moves what of the user's matches from one open directory to another. @throws {Error} `from` cannot be read */
export function carryFiles(
  from: Fd,
  to: Fd,
  patterns: readonly string[],
  uid: number,
  notes: string[],
  limits: CarryLimits,
): string[] {
  const moved: string[] = []
  for (const name of candidates(from, patterns, uid, notes, limits)) {
    try {
      if (carryFile({ from, to, name, uid, maxBytes: limits.bytes })) moved.push(name)
    } catch (error) {
      notes.push(noteOn(name, error))
    }
  }
  return moved
}

/** Names of plain files of the user's that match, at most `limits.files`. */
function candidates(
  from: Fd,
  patterns: readonly string[],
  uid: number,
  notes: string[],
  limits: CarryLimits,
): Set<string> {
  const found = new Set<string>()
  let beyond = 0
  const consider = (name: string) => {
    if (found.has(name) || name.includes('/')) return
    try {
      if (!isOwnFile(from, name, uid)) return
    } catch (error) {
      notes.push(noteOn(name, error))
      return
    }
    if (found.size < limits.files) found.add(name)
    else beyond++
  }
  for (const name of patterns.filter((pattern) => !hasWildcard(pattern))) consider(name)
  const wild = patterns.filter(hasWildcard)
  if (wild.length > 0) {
    scan(from, limits.entries, notes, (name) => {
      if (wild.some((pattern) => matches(name, pattern))) consider(name)
    })
  }
  if (beyond > 0) notes.push(`${beyond} more files match than the ${limits.files} that are taken; they stay`)
  return found
}

/** Not readdir(3) as a whole: it would hold, and wait for, a million names. */
function scan(dir: Fd, limit: number, notes: string[], each: (name: string) => void): void {
  const entries = opendirSync(dir.procPath, { bufferSize: 1024 })
  try {
    for (let i = 0; ; i++) {
      const entry = entries.readSync()
      if (entry === null) return
      if (i >= limit) {
        notes.push(`more than ${limit} entries; what comes after them is not looked at`)
        return
      }
      each(entry.name)
    }
  } finally {
    entries.closeSync()
  }
}

function again(dir: Fd): Fd {
  return new Fd(openat2(dir, '.', DIRECTORY, 0).release(), dir.label)
}

function noteOn(name: string, error: unknown): string {
  return error instanceof UnsafePathError ? error.message : `${name}: ${messageOf(error)}; it stays`
}
