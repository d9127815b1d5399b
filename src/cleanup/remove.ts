/*
 * Removes a tree that its owner may fight for. Everything is relative to open directories; no link is followed and no mount
 * crossed; what cannot be removed is reported and the rest still goes. A directory too deep to hold all its parents open is
 * moved up to the top first, so the number of descriptors is bounded at any depth. What was added or exchanged meanwhile is
 * the next pass's, and the passes are bounded too: in number, and by what the one before removed. A large tree is cleared
 * from both ends: see assistant.ts.
 */
import { errnoName, escapeControls } from '../sys/call.js'
import { monotonicMs } from '../sys/clock.js'
import { DirectoryReader, rmdirEntry } from '../sys/directory.js'
import { ERRNO } from '../sys/errno.js'
import { SyscallError } from '../sys/errors.js'
import type { Fd } from '../sys/fd.js'
import { O, RESOLVE } from '../sys/flags.js'
import { openat2, renameat2 } from '../sys/path.js'
import { randomHex } from '../sys/process.js'
import { type Assistant, startAssistant } from './assistant.js'

const MAX_DEPTH = 32 // descriptors held, besides a few
const MAX_PASSES = 100
const MAX_LIFTED = 10_000
const MAX_REPORTED = 100
const ENTRIES_PER_LOOK = 64 // at the clock
const ASSIST_FROM = 160 * ENTRIES_PER_LOOK // a thread takes the time of about so many to start
// Who adds as fast as we remove gives each pass as much as the one before had, and so no pass is the last one.
const FEW = 1000 // entries, that another pass may always remove
// Where a read sees what was added since the last one, it gives a few entries each time, and no read is the last one.
const SHORT_BYTES = 1024
const MAX_SHORT = 16
const { ENOENT, ENOTDIR, EISDIR, ENOTEMPTY } = ERRNO
/** Another process was there between two calls of ours. */
const CHANGED = ['ENOENT', 'ENOTDIR', 'ELOOP']
/** Every entry would say the same. */
const OF_THE_FILE_SYSTEM = ['EROFS', 'EDQUOT', 'ENOSPC']
const BENEATH = RESOLVE.RESOLVE_BENEATH | RESOLVE.RESOLVE_NO_SYMLINKS | RESOLVE.RESOLVE_NO_XDEV

export interface Removal {
  /** Entries removed, directories among them. */
  removed: number
  /**
   * What is still there, and which errno said so; at most 100 of them, and one for what the whole file system refuses. The
   * paths are to be shown only: control characters are escaped.
   */
  left: { path: string; code: string }[]
  /** False: the time was over, and the next run goes on. */
  complete: boolean
}

/**
 * Removes the directory `name` of `parent` and all below it. `parent` must be root's alone.
 * @param options.deadline monotonicMs() at which to stop
 * @throws {SyscallError} when `name` itself cannot be opened: ENOENT. ENOTDIR: a symlink too. EXDEV: it is a mount
 */
export function removeTree(parent: Fd, name: string, options: { deadline: number }): Removal {
  const bytes = Buffer.from(name)
  using top = openDirectory(parent, bytes)
  return new Remover(top, options).run(parent, bytes)
}

/**
 * One pass through the open directory `top`, from its end to its beginning, until there is nothing left to find or `isOver`.
 * @returns how many entries it has removed
 */
export function clearBackwards(top: Fd, options: { deadline: number; isOver: () => boolean }): number {
  return new Remover(top, { ...options, backwards: true }).assist()
}

interface Options {
  deadline: number
  backwards?: boolean
  isOver?: () => boolean
}

class Remover {
  readonly #reader: DirectoryReader
  #assistant: Assistant | null = null
  /** Names of what was moved up to the top in this pass. */
  readonly #lifted: Buffer[] = []
  readonly #left = new Map<string, { path: string; code: string }>()
  #reports = 0
  #removed = 0
  #looks = 0
  #changed = false
  #complete = true

  constructor(
    private readonly top: Fd,
    private readonly options: Options,
  ) {
    this.#reader = new DirectoryReader(options.backwards)
  }

  run(parent: Fd, name: Buffer): Removal {
    try {
      this.#passes(parent, name)
    } finally {
      this.#removed += this.#assistant?.stop() ?? 0
    }
    return { removed: this.#removed, left: [...this.#left.values()], complete: this.#complete }
  }

  assist(): number {
    try {
      this.#empty(this.top, 0)
      this.#clearLifted(this.top)
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error // the other thread has removed `top` itself
    }
    return this.#removed
  }

  #passes(parent: Fd, name: Buffer): void {
    let allowed = Number.POSITIVE_INFINITY
    for (let pass = 0; pass < MAX_PASSES; pass++) {
      const before = this.#removed
      this.#left.clear()
      this.#changed = false
      if (this.#clear(parent, name, 0) || !this.#changed || !this.#complete) break
      const removed = this.#removed - before
      if (removed > allowed) break
      allowed = Math.max(FEW, removed / 2)
    }
  }

  /** Empties the directory `name` and removes it. @returns whether it is gone */
  #clear(dir: Fd, name: Buffer, depth: number): boolean {
    const reports = this.#reports
    try {
      using child = openDirectory(dir, name)
      this.#empty(child, depth)
      if (depth === 0) this.#clearLifted(child)
    } catch (error) {
      this.#refused(dir, name, error)
      return false
    }
    // What was reported is still in there.
    if (!this.#complete || this.#reports > reports) return false
    const rc = rmdirEntry(dir, name)
    if (rc === 0) this.#removed++
    else if (rc !== -ENOENT) {
      if (rc === -ENOTEMPTY || rc === -ENOTDIR) this.#changed = true
      this.#report(dir, name, errnoName(-rc))
    }
    return rc === 0 || rc === -ENOENT
  }

  #empty(dir: Fd, depth: number): void {
    let short = 0
    while (this.#reader.read(dir)) {
      if (this.#reader.length < SHORT_BYTES && ++short > MAX_SHORT) return
      const directories: Buffer[] = [] // their names: the reader's buffer is used again further down
      while (this.#reader.next()) {
        if (this.#isTimeOver()) return
        if (this.#reader.isDirectory || !this.#unlink(dir)) directories.push(this.#reader.name())
      }
      for (const name of directories) {
        if (depth < MAX_DEPTH) this.#clear(dir, name, depth + 1)
        else this.#lift(dir, name)
        if (!this.#complete) return
      }
    }
  }

  /** Here, and not by another pass, which would try again all that cannot be removed. */
  #clearLifted(top: Fd): void {
    for (let name = this.#lifted.pop(); name && this.#complete; name = this.#lifted.pop()) {
      this.#clear(top, name, 1)
    }
  }

  /** @returns false for a directory */
  #unlink(dir: Fd): boolean {
    const rc = this.#reader.unlink(dir)
    if (rc === -EISDIR) return false
    if (rc === 0) this.#removed++
    else if (rc !== -ENOENT) this.#report(dir, this.#reader.name(), errnoName(-rc))
    return true
  }

  #lift(dir: Fd, name: Buffer): void {
    // Without RENAME_NOREPLACE, which not every file system has: what might bear this name is in the tree and goes as well.
    const lifted = Buffer.from(`.polyns-deep.${randomHex(8)}`)
    try {
      renameat2(dir, name, this.top, lifted, 0)
      if (this.#lifted.length < MAX_LIFTED) this.#lifted.push(lifted)
      else this.#changed = true // the next pass finds it
    } catch (error) {
      this.#refused(dir, name, error)
    }
  }

  #isTimeOver(): boolean {
    const entry = this.#looks++
    if (entry % ENTRIES_PER_LOOK !== 0) return !this.#complete
    const { deadline, isOver, backwards } = this.options
    if (monotonicMs() >= deadline || isOver?.() === true) this.#complete = false
    if (entry === ASSIST_FROM && backwards !== true) this.#assistant = startAssistant(this.top, deadline)
    return !this.#complete
  }

  #refused(dir: Fd, name: Buffer, error: unknown): void {
    if (!(error instanceof SyscallError)) throw error
    if (CHANGED.includes(error.code)) this.#changed = true
    else this.#report(dir, name, error.code)
  }

  #report(dir: Fd, name: Buffer, code: string): void {
    this.#reports++
    const path = escapeControls(`${dir.label}/${name.toString()}`)
    const key = OF_THE_FILE_SYSTEM.includes(code) ? code : path
    if (!this.#left.has(key) && this.#left.size < MAX_REPORTED) this.#left.set(key, { path, code })
  }
}

function openDirectory(dir: Fd, name: Buffer): Fd {
  return openat2(dir, name, O.O_RDONLY | O.O_DIRECTORY | O.O_NOFOLLOW, BENEATH)
}
