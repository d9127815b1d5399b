/*
 * Which mounts the boot step has to make, from a mount table and what is known of the directories. Pure: the table is that
 * before the first step, and each step is planned for what the ones before it will have made of it.
 *
 * A directory is isolated by a private bind mount on top of it, never by a change to the mount that is there: what is put
 * on top can be taken away again, but a mount that has left its peer group cannot go back.
 */
import type { Mount } from '../mountinfo/parse.js'
import { type MountTable, propagationType } from '../mountinfo/table.js'
import { UnsupportedError, UsageError } from '../sys/errors.js'
import { command, type Outcome } from './step.js'

/** A directory, by its name in the configuration and by the one without symbolic links. */
export interface Place {
  path: string
  /** null: it is not there, and `note` says what that means. */
  real: string | null
  note: string
}

export interface Wishes {
  polydirs: readonly Place[]
  /** Those of the instances. */
  parents: readonly Place[]
  /** Trees in which mounts shall spread. */
  share: readonly Place[]
  keepRoot: boolean
}

/** `isolate`: a private bind on itself. `share`: shared with all below, on a bind on itself when `bind` says so. */
export interface MountStep {
  kind: 'isolate' | 'share'
  outcome: Outcome
  path: string
  bind: 'none' | 'alone' | 'recursive'
  command: string
  note: string
}

/**
 * @throws {UnsupportedError} `/` is to be shared and is no mount point
 * @throws {UsageError} a directory is to be private and shared
 */
export function planMounts(table: MountTable, wishes: Wishes): MountStep[] {
  const root = planRoot(table, wishes.keepRoot)
  const future = new Future(table, root.outcome === 'would')
  const isolated = [
    ...outermostFirst(wishes.polydirs).map((place) => future.isolatePolydir(place)),
    ...outermostFirst(wishes.parents).map((place) => future.isolateParent(place)),
  ]
  return [root, ...isolated, ...wishes.share.map((place) => future.share(place))]
}

function planRoot(table: MountTable, keepRoot: boolean): MountStep {
  const step = { kind: 'share', path: '/', bind: 'none', command: 'mount --make-rshared /' } as const
  if (keepRoot) return { ...step, outcome: 'skipped', note: '--keep-root' }
  const root = table.at('/')
  if (root === null) {
    throw new UnsupportedError(
      'making / shared',
      '/ is not a mount point, as in a chroot or a container, so its propagation cannot be set; ' +
        'run setup on the host, or leave / as it is with --keep-root',
    )
  }
  const isShared = propagationType(root.propagation) === 'shared'
  return { ...step, outcome: isShared ? 'already' : 'would', note: '' }
}

/** The table as it will be after the steps planned so far. */
class Future {
  /** Private at the end, whether or not they were before. */
  readonly #isolated: string[] = []
  /** Those that get a bind for it. What is below is bound with them, and is private too. */
  readonly #bound: string[] = []

  constructor(
    readonly table: MountTable,
    /** The first step makes every mount shared. */
    readonly sharesAll: boolean,
  ) {}

  isolatePolydir(place: Place): MountStep {
    const mount = place.real === null ? null : this.table.at(place.real)
    return this.#isolate(place, mount !== null && this.#willBePrivate(mount))
  }

  /** A parent may be on any mount that is not shared: it need not have one of its own. */
  isolateParent(place: Place): MountStep {
    const mount = place.real === null ? null : this.table.holding(place.real)
    return this.#isolate(place, place.real !== null && !this.#willBeShared(place.real, mount))
  }

  share(place: Place): MountStep {
    const { path, real } = place
    const step = {
      kind: 'share',
      path,
      bind: 'none',
      command: command('mount', '--make-rshared', path),
    } as const
    if (real === null) return { ...step, outcome: 'skipped', note: place.note }
    const isolated = this.#isolated.find((inner) => isAtOrBelow(inner, real))
    if (isolated !== undefined) {
      throw new UsageError(`--share ${path} would share ${isolated}, which the configuration makes private`)
    }
    const mount = this.table.at(real)
    if (mount === null) return { ...step, ...this.#bind(place, 'shared'), outcome: 'would', note: '' }
    const isDone = [mount, ...this.table.below(real)].every((m) => this.#willBeShared(m.mountPoint, m))
    return { ...step, outcome: isDone ? 'already' : 'would', note: '' }
  }

  #isolate(place: Place, isDone: boolean): MountStep {
    const { path, real, note } = place
    const step = { kind: 'isolate', path, ...this.#bind(place, 'private') } as const
    if (real === null) return { ...step, outcome: 'skipped', note }
    this.#isolated.push(real)
    if (!isDone) this.#bound.push(real)
    return { ...step, outcome: isDone ? 'already' : 'would', note: '' }
  }

  #bind({ path, real }: Place, type: 'private' | 'shared'): Pick<MountStep, 'bind' | 'command'> {
    const isRecursive = real !== null && this.table.below(real).length > 0
    const r = isRecursive ? 'r' : ''
    // Private first also where it is to be shared: a bind that stays in its source's peer group gets each mount twice.
    const flags = [`--${r}bind`, `--make-${r}private`, ...(type === 'shared' ? [`--make-${r}shared`] : [])]
    return { bind: isRecursive ? 'recursive' : 'alone', command: command('mount', ...flags, path, path) }
  }

  #willBePrivate(mount: Mount): boolean {
    if (this.#isBound(mount.mountPoint)) return true
    return !this.sharesAll && ['private', 'unbindable'].includes(propagationType(mount.propagation))
  }

  #willBeShared(path: string, mount: Mount | null): boolean {
    if (mount === null || this.#isBound(path)) return false
    return this.sharesAll || propagationType(mount.propagation) === 'shared'
  }

  #isBound(path: string): boolean {
    return this.#bound.some((top) => isAtOrBelow(path, top))
  }
}

function isAtOrBelow(path: string, top: string): boolean {
  return path === top || path.startsWith(`${top}/`)
}

function outermostFirst(places: readonly Place[]): Place[] {
  return [...places].sort((a, b) => depth(a) - depth(b))
}

function depth({ path, real }: Place): number {
  return (real ?? path).split('/').length
}
