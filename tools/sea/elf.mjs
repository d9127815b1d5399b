// Puts three programs into Node's ELF file, where Node looks for one: in a note named NODE_SEA_BLOB. All is added behind the last
// segment, and nothing that Node has is moved: a page of machine code (launcher/entry-ARCH.lst), at which the file begins to
// run from now on and which makes one of three empty entries in the list of segments a note; that list, in a page that can be
// written; and the notes. What no segment has, symbols and notes for a debugger, is left out: a sixth of the file.
import { createHash } from 'node:crypto'
import { codeOf } from '../launcher.mjs'

const FUSE = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2:'
const NOTE = Buffer.from('NODE_SEA_BLOB\0\0\0') // its 14 bytes, and up to the next multiple of 4
const NOTE_BYTES = 14
const PAGE = 0x10000 // the largest that arm64 has
const HEADER_BYTES = 64
const SEGMENT_BYTES = 56
const SECTION_BYTES = 64
const SYMBOL_BYTES = 24
const SHT_SYMTAB = 2
const MARK_BYTES = 8
const [PT_NULL, PT_LOAD, PT_PHDR] = [0, 1, 6]
const [R, W, X] = [4, 2, 1]

/** @returns the executable: `node`, an ELF file for `arch`, with all blobs in it; it runs one of them and nothing else */
export function putInto(node, { opens, closes, others }, arch) {
  const segments = readSegments(node)
  const loads = segments.filter(({ type }) => type === PT_LOAD)
  // A kernel before 5.18 takes the list of segments to be as far behind the first one in memory as in the file. So the file
  // grows until what is added has the same distance, behind the zeros at the end of the last segment, which no file has.
  const base = loads[0].address - loads[0].offset
  const end = Math.max(...loads.map(({ address, memory }) => address + memory)) - base
  const codeAt = align(Math.max(end, ...loads.map(({ offset, size }) => offset + size)))
  const listAt = codeAt + PAGE
  const notesAt = listAt + PAGE
  const notes = [opens, closes, others].map(noteOf)
  const size = notesAt + notes.reduce((sum, { length }) => sum + length, 0) + MARK_BYTES

  const out = Buffer.alloc(size)
  for (const { offset, size } of loads) node.copy(out, offset, offset, offset + size)
  const added = (type, flags, offset, size, align) => segment({ type, flags, offset, base, size, align })
  const list = [
    ...segments,
    added(PT_LOAD, R | X, codeAt, PAGE, PAGE),
    added(PT_LOAD, R | W, listAt, PAGE, PAGE),
    added(PT_LOAD, R, notesAt, size - notesAt, PAGE),
  ]
  const entries = []
  let noteAt = notesAt
  for (const note of notes) {
    entries.push(listAt + list.length * SEGMENT_BYTES)
    list.push(added(PT_NULL, R, noteAt, note.length, 4))
    note.copy(out, noteAt)
    noteAt += note.length
  }
  const own = added(PT_PHDR, R, listAt, list.length * SEGMENT_BYTES, 8)
  for (const [index, { bytes, type }] of list.entries())
    (type === PT_PHDR ? own.bytes : bytes).copy(out, listAt + index * SEGMENT_BYTES)
  const programs = Buffer.concat([opens, closes, others])
  const mark = createHash('sha256').update(programs).digest().subarray(0, MARK_BYTES)
  mark[MARK_BYTES - 1] |= 1 // behind the end of a file that was cut off, its last page has zeros
  mark.copy(out, size - MARK_BYTES)

  const nodeAt = Number(node.readBigUInt64LE(24)) - base
  const code = codeOf(`entry-${arch}`)
  for (const [index, to] of [...entries, nodeAt, size - MARK_BYTES].entries())
    code.writeBigInt64LE(BigInt(to - codeAt), code.length - 48 + index * 8)
  mark.copy(code, code.length - 8)
  code.copy(out, codeAt)

  out.writeBigUInt64LE(BigInt(base + codeAt), 24) // where it begins to run
  out.writeBigUInt64LE(BigInt(listAt), 32)
  out.writeUInt16LE(list.length, 56)
  out.fill(0, 40, 48) // no sections
  out.fill(0, 60, 64)
  lightFuse(out)
  ignoreDeadlocks(node, out)
  return out
}

/** Node looks at one byte to know whether it has a program. */
function lightFuse(file) {
  const at = file.indexOf(`${FUSE}0`)
  if (at < 0 || file.indexOf(`${FUSE}0`, at + 1) >= 0)
    throw new Error('this Node cannot be made an executable')
  file.write('1', at + FUSE.length)
}

/**
 * Abseil's search for deadlocks between locks, which is for its developers, is on in Node's own builds: at the first lock of each
 * start it clears a megabyte. Its own switch for that (absl::SetMutexDeadlockDetectionMode) is a number in the file.
 */
function ignoreDeadlocks(node, out) {
  const at = offsetOf(node, '_ZN4absl12_GLOBAL__N_124synch_deadlock_detectionE')
  const [ignore, abort] = [0, 2] // absl::OnDeadlockCycle
  if (out.readUInt32LE(at) !== abort) throw new Error("Abseil's switch is not where this Node says")
  out.writeUInt32LE(ignore, at)
}

/** Where in the file the value of a symbol is, by its table of all symbols. */
function offsetOf(file, symbol) {
  const at = Number(file.readBigUInt64LE(40))
  const sections = Array.from({ length: file.readUInt16LE(60) }, (_, index) => {
    const row = file.subarray(at + index * SECTION_BYTES)
    const [address, offset, size] = [16, 24, 32].map((from) => Number(row.readBigUInt64LE(from)))
    return { type: row.readUInt32LE(4), link: row.readUInt32LE(40), address, offset, size }
  })
  const { offset, size, link } = sections.find(({ type }) => type === SHT_SYMTAB)
  const names = sections[link].offset
  for (let row = offset; row < offset + size; row += SYMBOL_BYTES) {
    const name = names + file.readUInt32LE(row)
    if (file.toString('latin1', name, name + symbol.length + 1) !== `${symbol}\0`) continue
    const section = sections[file.readUInt16LE(row + 6)]
    return section.offset + Number(file.readBigUInt64LE(row + 8)) - section.address
  }
  throw new Error(`this Node has no symbol ${symbol}`)
}

function noteOf(blob) {
  const head = Buffer.alloc(12)
  head.writeUInt32LE(NOTE_BYTES, 0)
  head.writeUInt32LE(blob.length, 4)
  return Buffer.concat([head, NOTE, blob, Buffer.alloc(-blob.length & 3)])
}

function readSegments(file) {
  const at = Number(file.readBigUInt64LE(32))
  if (at !== HEADER_BYTES) throw new Error('the list of segments is not where it is in every Node')
  return Array.from({ length: file.readUInt16LE(56) }, (_, index) => {
    const bytes = file.subarray(at + index * SEGMENT_BYTES, at + (index + 1) * SEGMENT_BYTES)
    const [offset, address, , size, memory] = [8, 16, 24, 32, 40].map((from) =>
      Number(bytes.readBigUInt64LE(from)),
    )
    return { bytes, type: bytes.readUInt32LE(0), offset, address, size, memory }
  })
}

function segment({ type, flags, offset, base, size, align }) {
  const bytes = Buffer.alloc(SEGMENT_BYTES)
  bytes.writeUInt32LE(type, 0)
  bytes.writeUInt32LE(flags, 4)
  bytes.writeBigUInt64LE(BigInt(offset), 8)
  bytes.writeBigUInt64LE(BigInt(base + offset), 16)
  bytes.writeBigUInt64LE(BigInt(base + offset), 24)
  bytes.writeBigUInt64LE(BigInt(size), 32)
  bytes.writeBigUInt64LE(BigInt(size), 40)
  bytes.writeBigUInt64LE(BigInt(align), 48)
  return { bytes, type }
}

function align(offset) {
  return Math.ceil(offset / PAGE) * PAGE
}
