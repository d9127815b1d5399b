/*
 * Reading a directory and removing what is in it, for trees of a million files: names stay bytes, the kernel is given the
 * very bytes that getdents64 wrote, and no object is made for an entry.
 */
import { bind, check, cstr, quote } from './call.js'
import type { Fd } from './fd.js'
import { AT } from './flags.js'
import { koffi } from './koffi.js'

const getdents64Call = bind('getdents64', 'int', 'ptr', 'ulong')
const unlinkatCall = bind('unlinkat', 'int', 'ptr', 'int')

const DT_DIR = 4
// struct linux_dirent64: d_ino 8 bytes, d_off 8, d_reclen 2, d_type 1, then the name and a NUL.
const RECLEN = 16
const TYPE = 18
const NAME = 19
const DOT = 0x2e

/**
 * getdents64(2), a buffer of entries at a time and a cursor on one of them:
 * `while (reader.read(dir)) while (reader.next()) ... reader.name()`. Every `read` uses the buffer again.
 * With `backwards` the entries of each buffer come from the last to the first.
 */
export class DirectoryReader {
  readonly #buffer = Buffer.allocUnsafeSlow(65536)
  readonly #address = koffi.address(this.#buffer)
  #end = 0
  #next = 0
  #entry = 0
  /** Where the entries begin that are still to come, backwards only. */
  readonly #before: number[] = []

  constructor(private readonly backwards = false) {}

  /** Fetches the next entries; false at the end. @throws {SyscallError} ENOENT: the directory was removed. EIO */
  read(dir: Fd): boolean {
    this.#next = 0
    this.#end = check(getdents64Call(dir.number, this.#buffer, this.#buffer.length), {
      syscall: 'getdents64',
      show: () => `${dir.number} (${quote(dir.label)})`,
      path: dir.label,
    })
    if (this.backwards) this.#index()
    return this.#end > 0
  }

  /** How many bytes of entries the last `read` got; a directory that has more fills the buffer, or a page at least. */
  get length(): number {
    return this.#end
  }

  /** Goes on to the next entry that was read, `.` and `..` left out; false when there is none. */
  next(): boolean {
    if (this.backwards) {
      const entry = this.#before.pop()
      if (entry !== undefined) this.#entry = entry
      return entry !== undefined
    }
    return this.#forward()
  }

  /** By d_type; a file system that does not tell gives false, and {@link unlink} then says EISDIR. */
  get isDirectory(): boolean {
    return this.#buffer[this.#entry + TYPE] === DT_DIR
  }

  /** A copy of the entry's name. */
  name(): Buffer {
    const start = this.#entry + NAME
    return Buffer.from(this.#buffer.subarray(start, this.#buffer.indexOf(0, start)))
  }

  /** unlinkat(2) of the entry, which is in `dir`. @returns 0 or -errno: a million results are not worth a million exceptions */
  unlink(dir: Fd): number {
    return unlinkatCall(dir.number, this.#address + BigInt(this.#entry + NAME), 0)
  }

  #forward(): boolean {
    while (this.#next < this.#end) {
      this.#entry = this.#next
      this.#next += this.#buffer.readUInt16LE(this.#entry + RECLEN)
      if (!this.#isDot()) return true
    }
    return false
  }

  #index(): void {
    this.#before.length = 0
    while (this.#forward()) this.#before.push(this.#entry)
  }

  #isDot(): boolean {
    const at = this.#entry + NAME
    if (this.#buffer[at] !== DOT) return false
    return this.#buffer[at + 1] === 0 || (this.#buffer[at + 1] === DOT && this.#buffer[at + 2] === 0)
  }
}

/** unlinkat(2) with AT_REMOVEDIR. @returns 0 or -errno */
export function rmdirEntry(dir: Fd, name: Buffer): number {
  return unlinkatCall(dir.number, cstr(name, 'unlinkat'), AT.AT_REMOVEDIR)
}
