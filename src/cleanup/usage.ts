/*
 * How much a directory holds, as du(1) counts it: allocated bytes, a file with several names once. It is somebody's tree, who
 * may change it meanwhile: everything is relative to open directories, no link is followed and no mount crossed. Only looks,
 * and leaves no trace: with O_NOATIME what ages files by their access times is not misled.
 */
import { constants, lstatSync, type Stats } from 'node:fs'
import { DirectoryReader } from '../sys/directory.js'
import { SyscallError } from '../sys/errors.js'
import type { Fd } from '../sys/fd.js'
import { O, RESOLVE } from '../sys/flags.js'
import { openat2 } from '../sys/path.js'

const MAX_DEPTH = 256 // each level holds a descriptor
const ENTRIES_PER_LOOK = 64 // at the clock
const FLAGS = O.O_RDONLY | O.O_DIRECTORY | O.O_NOFOLLOW | constants.O_NOATIME
const BENEATH = RESOLVE.RESOLVE_BENEATH | RESOLVE.RESOLVE_NO_SYMLINKS | RESOLVE.RESOLVE_NO_XDEV
/** Gone or exchanged since it was read, or a mount. */
const PASSED_OVER = ['ENOENT', 'ENOTDIR', 'ELOOP', 'EXDEV']

export interface Usage {
  bytes: number
  /** When something in it was last changed, in milliseconds of the epoch. By ctime, which nobody can set. */
  changedMs: number
  /** False: there is more; the time was over, or something could not be looked into. */
  complete: boolean
}

/** Measures one directory after the other. */
export class UsageMeter {
  readonly #reader = new DirectoryReader()
  #seen = new Set<string>()
  #usage: Usage = { bytes: 0, changedMs: 0, complete: true }
  #deadline = 0
  #looks = 0
  #isOver = false

  /**
   * The directory `name` of `parent` with all below it; when the time is over before it begins, only itself.
   * @param deadline of performance.now()
   * @throws {SyscallError} ENOENT. ENOTDIR: a symlink too. EXDEV: it is a mount
   */
  measure(parent: Fd, name: string, deadline: number): Usage {
    this.#seen = new Set()
    this.#usage = { bytes: 0, changedMs: 0, complete: true }
    this.#deadline = deadline
    this.#looks = 0
    this.#isOver = false
    using top = openat2(parent, name, FLAGS, BENEATH)
    this.#walk(top, 0)
    return this.#usage
  }

  #walk(dir: Fd, depth: number): void {
    this.#add(lstatSync(`${dir.procPath}/.`))
    const directories: Buffer[] = [] // the reader's buffer is used again further down
    const at = Buffer.from(`${dir.procPath}/`)
    while (!this.#isTimeOver() && this.#reader.read(dir)) {
      while (this.#reader.next()) {
        if (this.#isTimeOver()) return
        const name = this.#reader.name()
        if (this.#reader.isDirectory) {
          // Not looked at by its name: what is mounted there may hang.
          directories.push(name)
          continue
        }
        const stat = this.#stat(Buffer.concat([at, name]))
        if (stat === null) continue
        if (stat.isDirectory()) directories.push(name)
        else if (stat.nlink === 1 || !this.#wasSeen(stat)) this.#add(stat)
      }
    }
    for (const name of directories) {
      if (depth >= MAX_DEPTH) this.#usage.complete = false
      else this.#descend(dir, name, depth + 1)
      if (this.#isTimeOver()) return
    }
  }

  #descend(dir: Fd, name: Buffer, depth: number): void {
    try {
      using child = openat2(dir, name, FLAGS, BENEATH)
      this.#walk(child, depth)
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error
      if (!PASSED_OVER.includes(error.code)) this.#usage.complete = false
    }
  }

  #stat(path: Buffer): Stats | null {
    try {
      return lstatSync(path)
    } catch (error) {
      // Root may not look at a user's FUSE mount.
      if (!PASSED_OVER.includes((error as NodeJS.ErrnoException).code ?? '')) this.#usage.complete = false
      return null
    }
  }

  #add({ blocks, ctimeMs }: Stats): void {
    this.#usage.bytes += blocks * 512
    if (ctimeMs > this.#usage.changedMs) this.#usage.changedMs = ctimeMs
  }

  #wasSeen({ dev, ino }: Stats): boolean {
    const key = `${dev}:${ino}` // on an overlay each layer has a device of its own
    if (this.#seen.has(key)) return true
    this.#seen.add(key)
    return false
  }

  #isTimeOver(): boolean {
    if (this.#looks++ % ENTRIES_PER_LOOK === 0 && performance.now() >= this.#deadline) this.#isOver = true
    if (this.#isOver) this.#usage.complete = false
    return this.#isOver
  }
}
