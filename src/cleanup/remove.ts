/*
 * Removes a tree that its owner may fight for. Everything is relative to open directories; no link is followed and no mount
 * crossed; what cannot be removed is reported and the rest still goes. A directory too deep to hold all its parents open is
 * moved up to the top first, so the number of descriptors is bounded at any depth.
 */
import { errnoName } from '../sys/call.js'
import { DirectoryReader, type Entry, rmdirEntry, unlinkEntry } from '../sys/directory.js'
import { SyscallError } from '../sys/errors.js'
import type { Fd } from '../sys/fd.js'
import { O, RENAME, RESOLVE } from '../sys/flags.js'
import { openat2, renameat2 } from '../sys/path.js'
import { randomHex } from '../sys/process.js'

const MAX_DEPTH = 64
const MAX_PASSES = 1000 // against a process that keeps adding
const MAX_REPORTED = 100
const [ENOENT, EISDIR, ENOTEMPTY] = [2, 21, 39]
const BENEATH = RESOLVE.RESOLVE_BENEATH | RESOLVE.RESOLVE_NO_SYMLINKS | RESOLVE.RESOLVE_NO_XDEV

export interface Removal {
  /** Entries removed, directories among them. */
  removed: number
  /** What is still there, and which errno said so; at most 100 of them. */
  left: { path: string; code: string }[]
  /** False: the time was over, and the next run goes on. */
  complete: boolean
}

/**
 * Removes the directory `name` of `parent` and all below it.
 * @param options.deadline Date.now() at which to stop
 * @throws {SyscallError} when `name` itself cannot be opened: ENOENT, ENOTDIR
 */
export function removeTree(parent: Fd, name: string, options: { deadline: number }): Removal {
  return new Remover(options.deadline).run(parent, name)
}

class Remover {
  readonly #result: Removal = { removed: 0, left: [], complete: true }
  readonly #reported = new Set<string>()
  readonly #reader = new DirectoryReader()
  #top: Fd | undefined

  constructor(private readonly deadline: number) {}

  run(parent: Fd, name: string): Removal {
    const bytes = Buffer.from(name)
    using top = openDirectory(parent, bytes)
    this.#top = top
    this.#clear(parent, bytes, 0)
    return this.#result
  }

  /** Empties `name` and removes it; again, as long as things were added meanwhile and each pass gets on. */
  #clear(parent: Fd, name: Buffer, depth: number): void {
    for (let pass = 0; pass < MAX_PASSES; pass++) {
      const before = this.#result.removed
      this.#empty(parent, name, depth)
      if (!this.#result.complete) return
      const rc = rmdirEntry(parent, name)
      if (rc === 0) this.#result.removed++
      if (rc === 0 || rc === -ENOENT) return
      if (rc !== -ENOTEMPTY || this.#result.removed === before) {
        this.#report(parent, name, errnoName(-rc))
        return
      }
    }
    this.#report(parent, name, 'ENOTEMPTY')
  }

  #empty(parent: Fd, name: Buffer, depth: number): void {
    using dir = openDirectory(parent, name)
    for (let entries = this.#reader.read(dir); entries.length > 0; entries = this.#reader.read(dir)) {
      if (Date.now() > this.deadline) {
        this.#result.complete = false
        return
      }
      // Their names first: the reader's buffer is used again further down.
      const directories = entries.filter((entry) => !this.#unlink(dir, entry)).map((entry) => entry.name())
      for (const directory of directories) this.#descend(dir, directory, depth)
    }
  }

  /** @returns false for a directory */
  #unlink(dir: Fd, entry: Entry): boolean {
    if (entry.isDirectory) return false
    const rc = unlinkEntry(dir, entry)
    if (rc === -EISDIR) return false
    if (rc === 0) this.#result.removed++
    else if (rc !== -ENOENT) this.#report(dir, entry.name(), errnoName(-rc))
    return true
  }

  #descend(dir: Fd, name: Buffer, depth: number): void {
    if (!this.#result.complete) return
    try {
      if (depth < MAX_DEPTH) this.#clear(dir, name, depth + 1)
      else this.#lift(dir, name)
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error
      // ENOTDIR, ELOOP: it was exchanged for something else, which the next pass removes.
      if (!['ENOENT', 'ENOTDIR', 'ELOOP'].includes(error.code)) this.#report(dir, name, error.code)
    }
  }

  #lift(dir: Fd, name: Buffer): void {
    if (this.#top === undefined) return
    renameat2(dir, name, this.#top, `.polyns-deep.${randomHex(8)}`, RENAME.RENAME_NOREPLACE)
    this.#result.removed++ // progress: the next pass of the top finds it there
  }

  #report(dir: Fd, name: Buffer, code: string): void {
    const path = `${dir.label}/${name.toString()}`
    if (this.#reported.has(path) || this.#reported.size >= MAX_REPORTED) return
    this.#reported.add(path)
    this.#result.left.push({ path, code })
  }
}

function openDirectory(dir: Fd, name: Buffer): Fd {
  return openat2(dir, name, O.O_RDONLY | O.O_DIRECTORY | O.O_NOFOLLOW, BENEATH)
}
