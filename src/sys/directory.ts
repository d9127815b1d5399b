/*
 * Reading a directory and removing what is in it, for trees of a million files: names stay bytes, and the kernel is given
 * the very bytes that getdents64 wrote.
 */
import { bind, check, quote } from './call.js'
import type { Fd } from './fd.js'
import { AT } from './flags.js'
import { koffi } from './koffi.js'

const getdents64Call = bind('getdents64', 'int', 'ptr', 'ulong')
const unlinkatCall = bind('unlinkat', 'int', 'ptr', 'int')

const DT_DIR = 4
const HEADER_BYTES = 19 // d_ino, d_off, d_reclen, d_type

/** One entry of a {@link DirectoryReader}, valid until the next read. */
export interface Entry {
  /** Where its name is, as a C string. */
  address: bigint
  /** By d_type; a file system that does not tell gives false, and unlinkat then says EISDIR. */
  isDirectory: boolean
  name(): Buffer
}

/** getdents64(2) over one open directory. */
export class DirectoryReader {
  readonly #buffer = Buffer.allocUnsafeSlow(65536)
  readonly #address = koffi.address(this.#buffer)

  /** The next entries, without `.` and `..`; empty at the end. @throws {SyscallError} ENOENT: the directory was removed */
  read(dir: Fd): Entry[] {
    for (;;) {
      const length = check(getdents64Call(dir.number, this.#buffer, this.#buffer.length), {
        syscall: 'getdents64',
        show: () => `${dir.number} (${quote(dir.label)})`,
        path: dir.label,
      })
      const entries = this.#parse(length)
      // A chunk can hold nothing but the dots.
      if (length === 0 || entries.length > 0) return entries
    }
  }

  #parse(length: number): Entry[] {
    const buffer = this.#buffer
    const entries: Entry[] = []
    let at = 0
    while (at < length) {
      const start = at + HEADER_BYTES
      const next = at + buffer.readUInt16LE(at + 16)
      const isDot =
        buffer[start] === 0x2e &&
        (buffer[start + 1] === 0 || (buffer[start + 1] === 0x2e && buffer[start + 2] === 0))
      if (!isDot) {
        entries.push({
          address: this.#address + BigInt(start),
          isDirectory: buffer[at + 18] === DT_DIR,
          name: () => Buffer.from(buffer.subarray(start, buffer.indexOf(0, start))),
        })
      }
      at = next
    }
    return entries
  }
}

/** unlinkat(2) of an entry that was just read. @returns 0 or -errno: a million results are not worth a million exceptions. */
export function unlinkEntry(dir: Fd, entry: Entry): number {
  return unlinkatCall(dir.number, entry.address, 0)
}

/** The same with AT_REMOVEDIR, by name. */
export function rmdirEntry(dir: Fd, name: Buffer): number {
  return unlinkatCall(dir.number, Buffer.concat([name, Buffer.of(0)]), AT.AT_REMOVEDIR)
}
