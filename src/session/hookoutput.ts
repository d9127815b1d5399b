/*
 * What a hook writes to stderr goes to a file on a tmpfs of its own that is mounted nowhere and holds 64 KiB: unlike a pipe it
 * needs no reader, ends with nobody, and however much is written, by a daemon even that the hook leaves behind, is bounded.
 */
import { constants, fstatSync, readSync } from 'node:fs'
import type { Fd } from '../sys/fd.js'
import { O } from '../sys/flags.js'
import { fsconfigCreate, fsconfigSet, fsmount, fsopen } from '../sys/mount.js'
import { openat2 } from '../sys/path.js'

const SIZE = '64k'
const MAX_BYTES = 500

/** @returns null where such a file cannot be made: the hook then writes to /dev/null */
export function newStderrFile(): Fd | null {
  try {
    using context = fsopen('tmpfs')
    fsconfigSet(context, 'source', 'polyns')
    fsconfigSet(context, 'size', SIZE)
    fsconfigCreate(context)
    using root = fsmount(context, 0)
    // Appending: a hook's children may open /dev/stderr anew, each with an offset of its own.
    return openat2(root, 'stderr', O.O_RDWR | O.O_CREAT | constants.O_APPEND, 0, 0o600)
  } catch {
    return null
  }
}

/** The last line that is not blank, cut to its last 500 bytes. */
export function lastLine(file: Fd): string {
  const { size } = fstatSync(file.number)
  const buffer = Buffer.alloc(Math.min(size, MAX_BYTES))
  const length = readSync(file.number, buffer, 0, buffer.length, size - buffer.length)
  return lastLineOf(buffer.toString('utf8', 0, length))
}

/** The last line of `text` that is not blank. */
export function lastLineOf(text: string): string {
  return (
    text
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '')
      .at(-1) ?? ''
  )
}
