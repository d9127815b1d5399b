// Makes bin/polyns: an ELF file of the machine code in launcher/ARCH.lst, which says what it does and why. It is linked to
// nothing and names no interpreter, so the kernel starts it alone, without the loader that obeys LD_PRELOAD.
// A listing has three columns: offset, bytes, source for GNU as. launcher/assemble.mjs makes the first two from the third;
// the build takes the bytes as they are, and a test assembles the source again and compares.
import { readFileSync } from 'node:fs'

const MACHINES = { x64: 62, arm64: 183 } // e_machine, elf(5)
const ADDRESS = 0x400000
const PAGE = 0x10000 // the largest that arm64 has
const HEADER_BYTES = 64
const SEGMENT_BYTES = 56
const [PT_LOAD, PT_GNU_STACK] = [1, 0x6474e551]
const [R, W, X] = [4, 2, 1]

export const ARCHES = Object.keys(MACHINES)
/** The launcher's, and those of what the single executable begins with: see sea/elf.mjs. */
export const LISTINGS = [...ARCHES, ...ARCHES.map((arch) => `entry-${arch}`)]

/** @returns the source of each line, the bytes of all of them, and the first row whose offset is not that of its bytes */
export function readListing(name) {
  const rows = readFileSync(new URL(`launcher/${name}.lst`, import.meta.url), 'utf8')
    .trimEnd()
    .split('\n')
  const source = []
  const bytes = []
  let misplaced
  for (const [index, row] of rows.entries()) {
    const [, offset, hex, text] = /^([0-9a-f]{4}) {2}((?:[0-9a-f]{2}(?: |$))+) *(.*)$/.exec(row) ?? []
    if (offset === undefined) source.push(row)
    else {
      if (parseInt(offset, 16) !== bytes.length) misplaced ??= index + 1
      bytes.push(...Buffer.from(hex.replaceAll(' ', ''), 'hex'))
      if (text !== '') source.push(`\t${text}`)
    }
  }
  return { source, code: Buffer.from(bytes), misplaced }
}

/** @throws {Error} its offsets are not those of its bytes: somebody has edited it by hand */
export function codeOf(name) {
  const { code, misplaced } = readListing(name)
  if (misplaced !== undefined) throw new Error(`${name}.lst:${misplaced}: not at that offset`)
  return code
}

/** The whole file: header, two segments (itself, read and run but not written; a stack that is not run), code. */
export function launcher(arch) {
  if (!ARCHES.includes(arch))
    throw new Error(`there is no launcher for ${arch}, only for ${ARCHES.join(' and ')}`)
  const code = codeOf(arch)
  const start = HEADER_BYTES + 2 * SEGMENT_BYTES
  const size = start + code.length
  return Buffer.concat([
    header(MACHINES[arch], start),
    segment({ type: PT_LOAD, flags: R | X, address: ADDRESS, size, align: PAGE }),
    segment({ type: PT_GNU_STACK, flags: R | W, address: 0, size: 0, align: 16 }),
    code,
  ])
}

function header(machine, start) {
  const out = Buffer.alloc(HEADER_BYTES)
  out.write('\x7fELF\x02\x01\x01', 'latin1') // 64 bits, little endian
  out.writeUInt16LE(2, 16) // ET_EXEC
  out.writeUInt16LE(machine, 18)
  out.writeUInt32LE(1, 20)
  out.writeBigUInt64LE(BigInt(ADDRESS + start), 24) // where it begins to run
  out.writeBigUInt64LE(BigInt(HEADER_BYTES), 32) // where the segments are told
  out.writeUInt16LE(HEADER_BYTES, 52)
  out.writeUInt16LE(SEGMENT_BYTES, 54)
  out.writeUInt16LE(2, 56)
  return out
}

function segment({ type, flags, address, size, align }) {
  const out = Buffer.alloc(SEGMENT_BYTES) // from offset 0 of the file
  out.writeUInt32LE(type, 0)
  out.writeUInt32LE(flags, 4)
  out.writeBigUInt64LE(BigInt(address), 16)
  out.writeBigUInt64LE(BigInt(address), 24)
  out.writeBigUInt64LE(BigInt(size), 32)
  out.writeBigUInt64LE(BigInt(size), 40)
  out.writeBigUInt64LE(BigInt(align), 48)
  return out
}
