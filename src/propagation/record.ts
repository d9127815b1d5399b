/*
 * /run/polyns/setup.json: what setup has changed since the boot, oldest first, so that `--undo` can take back exactly
 * that. Mount ids are given out again, so a mount is known by all that identifies it together. Written aside, synced and
 * renamed: a crash leaves the old record or the new one.
 */
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import type { Mount, MountId } from '../mountinfo/parse.js'
import type { PropagationType } from '../mountinfo/table.js'
import { UnsafePathError } from '../sys/errors.js'

export type MountIdentity = Pick<Mount, 'id' | 'dev' | 'root' | 'mountPoint'>
export type Unshared = Exclude<PropagationType, 'shared'>

/** `bound`: a bind mount on itself. `shared`: mounts that were not. `parent`: a directory made, which stays. */
export type Change =
  | { kind: 'bound'; path: string; mount: MountIdentity }
  | { kind: 'shared'; path: string; mounts: (MountIdentity & { was: Unshared })[] }
  | { kind: 'parent'; path: string }

const FORMAT = 1
export const RECORD_NAME = 'setup.json'

export function identityOf({ id, dev, root, mountPoint }: Mount): MountIdentity {
  return { id, dev, root, mountPoint }
}

/** Whether `mount` is the recorded one, and where it was. */
export function isSameMount(mount: Mount | null, recorded: MountIdentity): mount is Mount {
  return (
    mount !== null &&
    mount.id === recorded.id &&
    mount.dev === recorded.dev &&
    mount.root === recorded.root &&
    mount.mountPoint === recorded.mountPoint
  )
}

/**
 * What was recorded in `directory` during this boot; nothing is an empty list.
 * @throws {UnsafePathError} somebody else than root wrote it, or it is not what setup writes
 */
export function readRecord(directory: string, bootId: string, owner = 0): Change[] {
  const file = join(directory, RECORD_NAME)
  const text = readOwned(file, owner)
  if (text === null) return []
  const record = parseRecord(text)
  if (record === null) {
    throw new UnsafePathError(file, 'is damaged; remove it, and unmount by hand what setup has mounted')
  }
  return record.bootId === bootId ? record.changes : []
}

/** Replaces the record; with no change left it is removed. */
export function writeRecord(directory: string, bootId: string, changes: readonly Change[]): void {
  const file = join(directory, RECORD_NAME)
  if (changes.length === 0) rmSync(file, { force: true })
  else replaceFile(file, `${JSON.stringify({ format: FORMAT, bootId, changes }, null, 1)}\n`)
}

/** Writes `file` in a directory that only root can write to: the old content or the new, never a part. */
export function replaceFile(file: string, text: string): void {
  const aside = asideOf(file)
  rmSync(aside, { force: true }) // of a run that was killed
  const fd = openSync(aside, 'wx', 0o644)
  try {
    writeFileSync(fd, text)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
  renameSync(aside, file)
}

/** Where {@link replaceFile} writes. */
export function asideOf(file: string): string {
  return `${file}.new`
}

function readOwned(file: string, owner: number): string | null {
  let fd: number
  try {
    fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
  try {
    const { uid, mode } = fstatSync(fd)
    if (uid !== owner || (mode & 0o022) !== 0)
      throw new UnsafePathError(file, 'others than root can write to it')
    return readFileSync(fd, 'utf8')
  } finally {
    closeSync(fd)
  }
}

/** @returns null for anything that {@link writeRecord} does not write */
function parseRecord(text: string): { bootId: string; changes: Change[] } | null {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return null
  }
  if (!isObject(value) || value.format !== FORMAT) return null
  const { bootId, changes } = value
  if (typeof bootId !== 'string' || !Array.isArray(changes) || !changes.every(isChange)) return null
  return { bootId, changes }
}

function isChange(value: unknown): value is Change {
  if (!isObject(value) || typeof value.path !== 'string') return false
  if (value.kind === 'bound') return isIdentity(value.mount)
  if (value.kind === 'parent') return true
  const { kind, mounts } = value
  return kind === 'shared' && Array.isArray(mounts) && mounts.every((m) => isIdentity(m) && isUnshared(m))
}

function isUnshared(value: object): boolean {
  return 'was' in value && ['private', 'slave', 'unbindable'].includes(String(value.was))
}

function isIdentity(value: unknown): value is MountIdentity {
  if (!isObject(value)) return false
  const { id, dev, root, mountPoint } = value
  return isMountId(id) && [dev, root, mountPoint].every((field) => typeof field === 'string')
}

function isMountId(value: unknown): value is MountId {
  return Number.isSafeInteger(value)
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
