/*
 * One file from a directory that everybody can write to into the user's own. By rename(2) where that works, else by a copy.
 *
 * A name in the real directory can be exchanged between any two calls of ours, so nothing is concluded from what it was
 * before: what has been moved is judged where it has arrived, in a directory that holds nothing but the user's own and
 * root's, and goes back if it is not what may be moved. A copy is made from an open file, which cannot be exchanged. The
 * worst that is left to the user is to lose a file of his own that he put in the way on purpose.
 */
import { constants, fstatSync, futimesSync, openSync, readSync, writeSync } from 'node:fs'
import { ignoring } from '../sys/call.js'
import { SyscallError, UnsafePathError } from '../sys/errors.js'
import { Fd } from '../sys/fd.js'
import { O, RENAME, RESOLVE } from '../sys/flags.js'
import { fchmod, fchown, openat2, pathOf, renameat2, unlinkat } from '../sys/path.js'
import { randomHex } from '../sys/process.js'
import { type Stat, sameFile, statx } from '../sys/stat.js'

export interface CarryFile {
  from: Fd
  to: Fd
  name: string
  /** Whose files may be moved. */
  uid: number
  /** The most that is copied. */
  maxBytes: number
}

// A symlink itself can still be opened, with O_PATH|O_NOFOLLOW.
const NOWHERE_ELSE = RESOLVE.RESOLVE_NO_SYMLINKS | RESOLVE.RESOLVE_NO_XDEV
/** A copy that is not finished. The dot keeps it out of every `carry=*`. */
const UNFINISHED = '.polyns-carry.'
/** What had to be put back where its own name was taken. */
const REFUSED = 'polyns-not-carried.'

/**
 * Whether `name` is something of the user's to be moved. What belongs to others is passed over in silence: a pattern like
 * `krb5cc_*` matches everybody's.
 * @throws {UnsafePathError} it is the user's, but no plain file, or has a second name
 */
export function isOwnFile(dir: Fd, name: string, uid: number): boolean {
  const stat = lookAt(dir, name)
  if (stat === null || stat.uid !== uid) return false
  const fault = faultOf(stat, uid)
  if (fault !== null) throw new UnsafePathError(name, `${fault}; it stays`)
  return true
}

/**
 * Moves the file.
 * @returns false when it is gone, or another's by now
 * @throws {UnsafePathError} it stays, or has been put back: the message says why, and where what is
 * @throws {SyscallError} @throws {Error} it stays: ENOSPC, EDQUOT, EROFS
 */
export function carryFile(file: CarryFile): boolean {
  const { from, to, name } = file
  if (!isOwnFile(from, name, file.uid)) return false
  try {
    renameat2(from, name, to, name, RENAME.RENAME_NOREPLACE)
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error
    if (error.code === 'ENOENT') return false
    if (error.code === 'EXDEV') return copyFile(file)
    if (error.code === 'EEXIST') return exchangeFile(file)
    throw error
  }
  const fault = faultAt(to, name, file.uid)
  if (fault === null) return true
  putBack(file, fault)
}

function faultOf({ type, uid, nlink }: Stat, owner: number): string | null {
  if (type !== 'file') return `is not a plain file but a ${type}`
  if (uid !== owner) return `belongs to uid ${uid}`
  return nlink === 1 ? null : `has ${nlink} names (hard links)`
}

/** null too when nothing is there any more: its owner, who has processes in the private directory, took it. */
function faultAt(dir: Fd, name: string, uid: number): string | null {
  const stat = lookAt(dir, name)
  return stat === null ? null : faultOf(stat, uid)
}

interface Seen extends Stat {
  mtimeNs: bigint
}

/**
 * What `name` is; null: nothing, or a mount. A mount is not looked into, since it may be a user's FUSE file system, which
 * could keep us waiting for ever, and in the real directory it could do that to every login.
 */
function lookAt(dir: Fd, name: string): Seen | null {
  const open = () => openat2(dir, name, O.O_PATH | O.O_NOFOLLOW, NOWHERE_ELSE)
  using file = ignoring(['ENOENT', 'EXDEV'], 'not a file of this directory', open) ?? null
  if (file === null) return null
  return { ...statx(file), mtimeNs: fstatSync(file.number, { bigint: true }).mtimeNs }
}

/** Under another name where its own is taken by now: what may be another's must not stay in the private directory. */
function putBack({ from, to, name }: CarryFile, fault: string): never {
  const giveBack = (as: string) => {
    renameat2(to, name, from, as, RENAME.RENAME_NOREPLACE)
    return as === name ? 'and has been put back' : `and has been put back as ${as}`
  }
  let now: string
  try {
    const first = ignoring(['EEXIST'], 'then under another name', () => giveBack(name))
    now = first ?? giveBack(`${REFUSED}${randomHex(8)}`)
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error
    now = `and could not be put back (${error.code}); it is in ${to.label}`
  }
  throw new UnsafePathError(name, `was exchanged while it was moved: it ${fault} ${now}`)
}

/** The name is taken in the private directory. The two change places, both are looked at, and then the old one goes. */
function exchangeFile({ from, to, name, uid }: CarryFile): boolean {
  const old = assertReplaceable(from, to, name, uid)
  if (old === null) return false
  const exchange = () => renameat2(from, name, to, name, RENAME.RENAME_EXCHANGE)
  exchange()
  const fault = faultAt(to, name, uid)
  if (fault !== null) {
    exchange()
    throw new UnsafePathError(name, `was exchanged while it was moved: it ${fault}. Both are where they were`)
  }
  const left = lookAt(from, name)
  if (left === null) return true
  if (!sameFile(left, old)) {
    throw new UnsafePathError(name, `has been moved, and what it replaced is left in ${from.label}`)
  }
  unlinkat(from, name, 0)
  return true
}

/** @returns the file that is in the way, null when there is nothing to move any more @throws {UnsafePathError} it must stay */
function assertReplaceable(from: Fd, to: Fd, name: string, uid: number): Stat | null {
  const [ours, old] = [lookAt(from, name), lookAt(to, name)]
  if (ours === null) return null
  if (old?.type !== 'file' || old.uid !== uid) {
    const what = old === null ? 'a mount' : old.type === 'file' ? `a file of uid ${old.uid}` : `a ${old.type}`
    throw new UnsafePathError(name, `stays: ${pathOf(to, name)} is ${what}`)
  }
  if (old.mtimeNs > ours.mtimeNs) throw new UnsafePathError(name, `stays: the one in ${to.label} is newer`)
  return old
}

function copyFile(file: CarryFile): boolean {
  const { from, to, name, uid } = file
  using source = openSource(file)
  if (source === null) return false
  const before = fstatSync(source.number, { bigint: true })
  if (before.size > BigInt(file.maxBytes)) {
    throw new UnsafePathError(name, `stays: it holds ${before.size} bytes, more than are copied`)
  }
  const temporary = `${UNFINISHED}${randomHex(8)}`
  const flags = O.O_RDWR | O.O_CREAT | constants.O_EXCL | O.O_NOFOLLOW
  using copy = openat2(to, temporary, flags, RESOLVE.RESOLVE_NO_SYMLINKS, 0o600)
  try {
    copyBytes(source, copy, file.maxBytes)
    const after = fstatSync(source.number, { bigint: true })
    if (after.size !== before.size || after.mtimeNs !== before.mtimeNs) {
      throw new UnsafePathError(name, 'stays: it was written to while it was copied')
    }
    // Before it is the user's: then it can be neither read nor changed by anybody while it is not finished.
    futimesSync(copy.number, Number(before.atimeMs) / 1000, Number(before.mtimeMs) / 1000)
    fchmod(copy, 0o600)
    fchown(copy, uid, Number(before.gid))
    if (!placeCopy(file, temporary)) return false
  } finally {
    ignoring(['ENOENT'], 'it bears its own name by now', () => unlinkat(to, temporary, 0))
  }
  removeOriginal(from, name, statx(source))
  return true
}

/** Opened without effect first: a FIFO would make us wait, and so would a lease, fcntl(2), which O_NONBLOCK makes EAGAIN. */
function openSource({ from, name, uid }: CarryFile): Fd | null {
  using found = openat2(from, name, O.O_PATH | O.O_NOFOLLOW, NOWHERE_ELSE)
  const stat = statx(found)
  if (stat.uid !== uid) return null
  const fault = faultOf(stat, uid)
  if (fault !== null) throw new UnsafePathError(name, `${fault}; it stays`)
  return new Fd(openSync(found.procPath, constants.O_RDONLY | constants.O_NONBLOCK), found.label)
}

function copyBytes(source: Fd, copy: Fd, maxBytes: number): void {
  const buffer = Buffer.alloc(64 * 1024)
  for (let total = 0; ; ) {
    const length = readSync(source.number, buffer)
    if (length === 0) return
    total += length
    if (total > maxBytes) throw new UnsafePathError(source.label, 'stays: it grows while it is copied')
    for (let done = 0; done < length; ) done += writeSync(copy.number, buffer, done, length - done)
  }
}

function placeCopy({ from, to, name, uid }: CarryFile, temporary: string): boolean {
  try {
    renameat2(to, temporary, to, name, RENAME.RENAME_NOREPLACE)
    return true
  } catch (error) {
    if (!(error instanceof SyscallError) || error.code !== 'EEXIST') throw error
  }
  if (assertReplaceable(from, to, name, uid) === null) return false
  renameat2(to, temporary, to, name, RENAME.RENAME_EXCHANGE)
  const old = lookAt(to, temporary)
  if (old === null || (old.type === 'file' && old.uid === uid)) return true // what is at `temporary` goes
  renameat2(to, temporary, to, name, RENAME.RENAME_EXCHANGE)
  throw new UnsafePathError(
    name,
    `stays: what is there became a ${old.type} of uid ${old.uid} in ${to.label}`,
  )
}

function removeOriginal(from: Fd, name: string, copied: Stat): void {
  const now = lookAt(from, name)
  if (now === null) return
  if (!sameFile(now, copied)) {
    throw new UnsafePathError(name, `has been copied, and another file of that name is left in ${from.label}`)
  }
  unlinkat(from, name, 0)
}
