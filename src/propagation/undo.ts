/*
 * Takes back what the record tells, the last change first: unmounts the binds, and makes the mounts that setup shared what
 * they were. A mount that is no longer the recorded one is somebody else's, and is left alone.
 */
import type { Mount, MountId } from '../mountinfo/parse.js'
import { mountIdOf, readMounts } from '../mountinfo/read.js'
import { MountTable, propagationType } from '../mountinfo/table.js'
import { openSafe } from '../ns/safepath.js'
import { during, escapeControls } from '../sys/call.js'
import { UnsafePathError } from '../sys/errors.js'
import { MNT, MS } from '../sys/flags.js'
import { setPropagation, umount2 } from '../sys/mount.js'
import { type Change, isSameMount, type MountIdentity, type Unshared } from './record.js'
import { command, type Step } from './step.js'

const TYPES = {
  private: { flag: MS.MS_PRIVATE, name: 'private' },
  slave: { flag: MS.MS_SLAVE, name: 'slave' },
  unbindable: { flag: MS.MS_UNBINDABLE, name: 'unbindable' },
} as const

/** Takes changes back, the last one first; see {@link Undoing.take}. */
export class Undoing {
  /** In a dry run: the mounts that would be gone by now. */
  readonly #gone = new Set<MountId>()
  /** Those that setup has made. What is below one of them came with it or later. */
  readonly #ours: ReadonlySet<MountId>

  /** @param options dryRun: only tells */
  constructor(
    changes: readonly Change[],
    readonly options: { dryRun: boolean },
  ) {
    this.#ours = new Set(changes.flatMap((change) => (change.kind === 'bound' ? [change.mount.id] : [])))
  }

  /**
   * @returns what was done; a step that is `blocked` leaves the change for the next time
   * @throws {SyscallError} EPERM
   */
  take(change: Change): Step[] {
    if (change.kind === 'bound') return [this.#unmount(change)]
    if (change.kind === 'shared') return this.#unshare(change)
    const line = command('rmdir', change.path)
    return [{ outcome: 'skipped', command: line, note: "it may hold users' files" }]
  }

  get #done(): 'would' | 'done' {
    return this.options.dryRun ? 'would' : 'done'
  }

  #unmount({ path, mount }: Change & { kind: 'bound' }): Step {
    const table = this.#table()
    const line = command('umount', '--lazy', path)
    const found = table.byId(mount.id)
    if (!isSameMount(found, mount))
      return { outcome: 'already', command: line, note: 'it is not mounted any more' }
    const obstacle = table.isVisible(found) ? this.#laterOn(table, found) : table.holding(found.mountPoint)
    if (obstacle !== null) return blocked(line, obstacle)
    if (this.options.dryRun) this.#gone.add(found.id)
    else during(`unmount '${path}'`, () => detach(found.mountPoint, found.id))
    return { outcome: this.#done, command: line, note: '' }
  }

  #unshare({ mounts }: Change & { kind: 'shared' }): Step[] {
    const table = this.#table()
    return Array.from(restorations(table, mounts), (step) => {
      const { mount, type, recursive } = step
      const line = command('mount', `--make-${recursive ? 'r' : ''}${type}`, mount.mountPoint)
      if (!table.isVisible(mount)) return blocked(line, table.holding(mount.mountPoint))
      if (!this.options.dryRun) restore(step)
      return { outcome: this.#done, command: line, note: '' }
    })
  }

  /** A mount that somebody has made on one of ours since: it would go with that. Those that were bound with it may. */
  #laterOn(table: MountTable, ours: Mount): Mount | null {
    const inside = table.descendantsOf(ours)
    const outside = table.mounts.filter((mount) => !inside.includes(mount))
    const isCopy = (mount: Mount) =>
      outside.some((m) => m.dev === mount.dev && m.root === mount.root && m.mountPoint === mount.mountPoint)
    return inside.find((mount) => this.#ours.has(mount.id) || !isCopy(mount)) ?? null
  }

  #table(): MountTable {
    const table = readMounts()
    const gone = table.mounts.filter(({ id }) => this.#gone.has(id))
    const all = new Set(gone.flatMap((mount) => [mount, ...table.descendantsOf(mount)]))
    return all.size === 0 ? table : new MountTable(table.mounts.filter((mount) => !all.has(mount)))
  }
}

function blocked(line: string, by: Mount | null): Step {
  const what =
    by === null ? 'another mount' : `${by.source === '' ? by.fstype : by.source} on ${by.mountPoint}`
  return { outcome: 'blocked', command: line, note: escapeControls(`${what} lies on it: unmount that first`) }
}

/** umount2(2), if the mount on top at `path` is this one. @throws {UnsafePathError} another one is */
export function detach(path: string, id: MountId): void {
  using top = openOwn(path, id)
  umount2(top.procPath, MNT.MNT_DETACH)
}

export interface Restoration {
  mount: Mount
  type: Unshared
  recursive: boolean
}

/**
 * How the recorded mounts become what they were, in as few calls as reach no other mount. One on which another lies can
 * only be reached by a recursive call from above it.
 */
export function* restorations(
  table: MountTable,
  recorded: readonly (MountIdentity & { was: Unshared })[],
): Generator<Restoration> {
  const before = new Map<MountId, Unshared>()
  for (const entry of recorded) {
    const mount = table.byId(entry.id)
    const isOurs = isSameMount(mount, entry) && propagationType(mount.propagation) === 'shared'
    if (isOurs) before.set(entry.id, entry.was)
  }
  const covered = new Set<MountId>()
  for (const mount of outermostFirst(table)) {
    const type = before.get(mount.id)
    if (type === undefined || covered.has(mount.id)) continue
    const below = table.descendantsOf(mount)
    // What is so already, as a bind that setup has made private, does not change by it.
    const becomes = (m: Mount) => before.get(m.id) ?? propagationType(m.propagation)
    const recursive = below.length > 0 && table.isVisible(mount) && below.every((m) => becomes(m) === type)
    if (recursive) for (const { id } of below) covered.add(id)
    yield { mount, type, recursive }
  }
}

/** Each mount after the one that it is on: the kernel lists them as they were made, and some were moved since. */
function outermostFirst(table: MountTable): Mount[] {
  const tops = table.mounts.filter(
    (mount) => mount.parentId === mount.id || table.byId(mount.parentId) === null,
  )
  return tops.flatMap((top) => [top, ...table.descendantsOf(top)])
}

/** @throws {UnsafePathError} another mount is there now. {@link SyscallError} EPERM */
export function restore({ mount, type, recursive }: Restoration): void {
  const { flag, name } = TYPES[type]
  during(`make '${mount.mountPoint}' ${name} again`, () => {
    using top = openOwn(mount.mountPoint, mount.id)
    setPropagation(top.procPath, flag | (recursive ? MS.MS_REC : 0))
  })
}

function openOwn(path: string, id: MountId) {
  const top = openSafe(path)
  if (mountIdOf(top) === id) return top
  top[Symbol.dispose]()
  throw new UnsafePathError(path, 'another mount is on top of the one that setup knows')
}
