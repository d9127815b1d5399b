/*
 * Reads a mount table. The kernel gives at most a page with each read(2), however large the buffer, and lets changes
 * happen in between. KERNEL(5.8): it remembers its place in the list, so a mount that is there all the time is read
 * exactly once. One that comes or goes meanwhile may be seen or not, which is all that any reader can know.
 */
import { readFileSync } from 'node:fs'
import { during } from '../sys/call.js'
import type { Fd } from '../sys/fd.js'
import { O } from '../sys/flags.js'
import { openat2 } from '../sys/path.js'
import { statx } from '../sys/stat.js'
import { type MountId, parseMountinfo } from './parse.js'
import { MountTable } from './table.js'

/**
 * The mount table of process `pid`, without it of the thread that runs this. A pid may have passed to another process:
 * hold a pidfd, and ask that after reading.
 * @throws {SyscallError} ENOENT: no such process. EINVAL: it has ended and is not yet waited for. EACCES
 * @throws {UnsupportedError} a line that is no mount
 */
export function readMounts(pid?: number): MountTable {
  const path = `/proc/${pid ?? 'thread-self'}/mountinfo`
  using file = during('read the mount table', () => openat2(null, path, O.O_RDONLY, 0))
  return new MountTable(parseMountinfo(readFileSync(file.number, 'utf8')))
}

/** The mount that an open file is on. No path is looked at, so it cannot be another one's. @throws {SyscallError} */
export function mountIdOf(file: Fd): MountId {
  return Number(statx(file).mountId) as MountId
}
