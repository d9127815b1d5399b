/*
 * What a process sees: whose session and job it is in, which namespace, which private directories, and how its view differs
 * from the host's. Looks and changes nothing. Read by pid, so the start time is asked again at the end: by then the number
 * could be another process's.
 */
import { fstatSync } from 'node:fs'
import {
  compareViews,
  type Difference,
  isAnchor,
  pathOf,
  privateDirectories,
  type Views,
} from '../mountinfo/diff.js'
import type { Mount } from '../mountinfo/parse.js'
import { mountIdOf, readNamespace } from '../mountinfo/read.js'
import type { MountTable } from '../mountinfo/table.js'
import { hostNamespace, type MountNamespace, mountNamespaceOf } from '../ns/enter.js'
import { identityOf, isOurs } from '../ns/join.js'
import { MARK_DIRECTORY } from '../ns/marker.js'
import { isLive, readRecords, type SessionRecord } from '../session/registry.js'
import { jobIdOf } from '../slurm/job.js'
import { SyscallError, UnsupportedError } from '../sys/errors.js'
import { O, RESOLVE } from '../sys/flags.js'
import { openat2 } from '../sys/path.js'
import { ancestorsOf, type InspectedProcess, lookAtProcess, noProcess, unitOf } from './inspect-process.js'

export interface Inspection {
  process: InspectedProcess
  /** The one that it was started in; null: it is in none, or that one is over. */
  session: SessionRecord | null
  /** Other live sessions in the same namespace. */
  sharedWith: SessionRecord[]
  job: string | null
  namespace: InspectedNamespace
  directories: PrivateDirectory[]
  /** null: could not be compared. */
  differences: Difference[] | null
  /** What the rights of the caller did not reach. */
  unseen: string[]
}

/**
 * `polyns`: a private one of `uid`, made at `made`. `other`: of another program's making; `unit`: the process's. `unknown`: the
 * host's, or such a one.
 */
export type InspectedNamespace =
  | { kind: 'host' }
  | { kind: 'polyns'; uid: number; made: Date | null }
  | { kind: 'other'; unit: string | null }
  | { kind: 'unknown' }

export interface PrivateDirectory {
  polydir: string
  /** Where the directory is kept, on the host; null: it is a tmpfs. */
  instance: string | null
  /**
   * `current`: what a new login would get, too. `deleted` or `moved`: no longer. `covered`: another mount is on it.
   * `unmounted`: it is not there.
   */
  state: 'current' | 'deleted' | 'moved' | 'covered' | 'unmounted'
}

const TMPFS_SOURCE = 'polyns'
const DELETED = '//deleted'

/**
 * @param id of a process, or of one thread of it
 * @throws {SyscallError} ESRCH: there is none, or it has ended. {@link UnsupportedError}: it is one of the kernel's, or the rights do not suffice
 */
export function inspect(id: number): Inspection {
  const process = lookAtProcess(id)
  try {
    using namespace = mountNamespaceOf(`/proc/${id}`)
    const found = look(process, namespace, id)
    process.assertUnchanged()
    return found
  } catch (error) {
    throw explained(error, process)
  }
}

function look(process: InspectedProcess, namespace: MountNamespace, id: number): Inspection {
  const unseen: string[] = []
  const identity = identityOf(namespace)
  const records = visibleRecords(unseen)
  const session = sessionOf(process, records)
  const here = records.filter((record) => record.namespace === identity)
  const found: Inspection = {
    process,
    session,
    sharedWith: here.filter((record) => record !== session && isLive(record)),
    job: jobIdOf(process.pid, undefined) ?? session?.job ?? null,
    namespace: { kind: 'host' },
    directories: [],
    differences: [],
    unseen,
  }
  const isHost = isHosts(namespace, unseen)
  if (isHost === true) return found
  const inside = readNamespace(id)
  const mark = inside === null ? null : markOf(inside, namespace)
  if (mark !== null) found.namespace = { kind: 'polyns', uid: mark.uid, made: madeAt(id, mark.mount) }
  else found.namespace = isHost === null ? { kind: 'unknown' } : { kind: 'other', unit: unitOf(process.pid) }
  const host = isHost === null ? null : readNamespace(1)
  if (inside === null)
    unseen.push('its mounts: its root directory is another one, and the kernel has no statmount')
  if (inside === null || host === null) return { ...found, differences: null }
  const own = mark === null ? [] : privateDirectories(host, inside, mark.mount, TMPFS_SOURCE)
  const views: Views = {
    host,
    inside,
    own: mark === null ? [] : [...own, mark.mount],
    mark: mark?.mount ?? null,
  }
  return {
    ...found,
    directories: directoriesOf(here[0] ?? null, own, views),
    differences: compareViews(views),
  }
}

function visibleRecords(unseen: string[]): SessionRecord[] {
  try {
    return readRecords()
  } catch (error) {
    if (!isDenied(error)) throw error
    unseen.push('sessions: only root may see them')
    return []
  }
}

/** That of the nearest of the process and those above it that leads one. */
function sessionOf({ pid }: InspectedProcess, records: readonly SessionRecord[]): SessionRecord | null {
  const live = records.filter(isLive)
  for (const one of [pid, ...ancestorsOf(pid)]) {
    const record = live.find(({ leader }) => leader.pid === one)
    if (record !== undefined) return record
  }
  return null
}

/** @returns null: cannot be known */
function isHosts({ inode }: MountNamespace, unseen: string[]): boolean | null {
  try {
    using host = hostNamespace()
    return host.inode === inode
  } catch (error) {
    if (!(error instanceof UnsupportedError)) throw error
    unseen.push("the host's view: process 1 may be looked at only by root, with all capabilities")
    return null
  }
}

/** A user can mount the like of it in a namespace of his own; ours belongs to our user namespace. */
function markOf(inside: MountTable, namespace: MountNamespace): { mount: Mount; uid: number } | null {
  const mount = inside.at(MARK_DIRECTORY)
  const [, uid] = /^polyns:(\d+)$/.exec(mount?.source ?? '') ?? []
  if (mount?.fstype !== 'tmpfs' || uid === undefined || !isOurs(namespace)) return null
  return { mount, uid: Number(uid) }
}

/** The mark is made with the namespace and is read-only: nothing has changed its root directory since. */
function madeAt(id: number, mark: Mount): Date | null {
  try {
    using root = openat2(null, `/proc/${id}/root`, O.O_PATH | O.O_DIRECTORY, 0)
    const resolve = RESOLVE.RESOLVE_NO_SYMLINKS | RESOLVE.RESOLVE_BENEATH
    using dir = openat2(root, MARK_DIRECTORY.slice(1), O.O_PATH | O.O_DIRECTORY, resolve)
    return mountIdOf(dir) === mark.id ? fstatSync(dir.number).ctime : null
  } catch (error) {
    if (error instanceof SyscallError) return null // a chroot, or the rights
    throw error
  }
}

/** As recorded; where the session's record is gone with it, as the mounts tell. */
function directoriesOf(
  record: SessionRecord | null,
  own: readonly Mount[],
  views: Views,
): PrivateDirectory[] {
  if (record === null) return own.map((mount) => asMounted(mount, views))
  return record.mounts.map(({ polydir, instance }) => {
    const mount = views.inside.at(polydir)
    return { polydir, instance, state: stateOf(mount, instance, own, views) }
  })
}

function asMounted(mount: Mount, { host }: Views): PrivateDirectory {
  const isDeleted = mount.root.endsWith(DELETED)
  const root = isDeleted ? mount.root.slice(0, -DELETED.length) : mount.root
  const isTmpfs = mount.source === TMPFS_SOURCE
  const instance = isTmpfs ? null : (pathOf(host, { dev: mount.dev, root }) ?? root)
  return { polydir: mount.mountPoint, instance, state: isDeleted ? 'deleted' : 'current' }
}

/** What the kernel calls the directory tells: it is renamed or removed while it is mounted here. */
function stateOf(
  mount: Mount | null,
  instance: string | null,
  own: readonly Mount[],
  { host, inside }: Views,
): PrivateDirectory['state'] {
  if (mount === null || isAnchor(inside, mount)) return 'unmounted'
  if (!own.includes(mount)) return 'covered'
  if (instance === null) return 'current'
  if (mount.root.endsWith(DELETED)) return 'deleted'
  const name = instance.slice(instance.lastIndexOf('/'))
  return mount.root.endsWith(name) || pathOf(host, mount) === instance ? 'current' : 'moved'
}

/** What the kernel says of a process that has ended, or that is another user's. */
function explained(error: unknown, { pid, uid }: InspectedProcess): unknown {
  const code = (error as NodeJS.ErrnoException).code ?? ''
  if (['ENOENT', 'ESRCH', 'EINVAL'].includes(code)) return noProcess(pid, 'it has ended')
  if (!isDenied(error)) return error
  const needs = `it runs as uid ${uid}, with rights that this one lacks; only root may look at it`
  return new UnsupportedError(`inspecting process ${pid}`, needs, { cause: error })
}

function isDenied(error: unknown): boolean {
  return ['EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')
}
