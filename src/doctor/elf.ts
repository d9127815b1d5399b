/*
 * Whether a program starts without a loader, elf(5). The loader obeys LD_PRELOAD and the like, before a line of the program is
 * run; a script has that of its shell.
 */
import { closeSync, openSync, readSync } from 'node:fs'
import { ifThere } from '../sys/errors.js'
import type { PolynsCall } from './pamline.js'

const HEADER_BYTES = 64
const SEGMENT_BYTES = 56
const PT_INTERP = 3

/** The program that pam_exec starts: polyns, or what is written before it on the line. */
export function startedBy({ options, program }: Pick<PolynsCall, 'options' | 'program'>): string {
  return options.find((word) => word.startsWith('/')) ?? program
}

/** @returns whether it is a 64-bit ELF file that names no interpreter; also false where there is no file */
export function startsAlone(path: string): boolean {
  const header = readAt(path, 0, HEADER_BYTES)
  if (header === null || header.toString('latin1', 0, 6) !== '\x7fELF\x02\x01') return false
  const count = header.readUInt16LE(56)
  const segments = readAt(path, Number(header.readBigUInt64LE(32)), count * SEGMENT_BYTES)
  if (segments === null || count === 0) return false
  return Array.from({ length: count }, (_, i) => segments.readUInt32LE(i * SEGMENT_BYTES)).every(
    (type) => type !== PT_INTERP,
  )
}

/** null: there are not so many bytes. @throws what is not about a missing file */
function readAt(path: string, position: number, length: number): Buffer | null {
  const bytes = Buffer.alloc(length)
  return ifThere(() => {
    const fd = openSync(path, 'r')
    try {
      return readSync(fd, bytes, 0, length, position) === length ? bytes : null
    } finally {
      closeSync(fd)
    }
  })
}
