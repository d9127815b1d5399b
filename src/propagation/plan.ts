/*
 * Which mounts the boot step has to make, from a mount table and what is known of the directories. Pure: the table is that
 * before the first step, and each step is planned for what the ones before it will have made of it.
 *
 * A directory is isolated by a private bind mount on top of it, never by a change to the mount that is there: what is put
 * on top can be taken away again, but a mount that has left its peer group cannot go back.
 */
import type { Mount } from '../mountinfo/parse.js'
import { isAtOrBelow, type MountTable, propagationType } from '../mountinfo/table.js'
import { UsageError } from '../sys/errors.js'
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
  /** Whether setup has made a mount, in this boot. A run that was killed may have left it shared. */
  isOurs?: (mount: Mount) => boolean
}

/** `isolate`: a private bind on itself, or that which is there. `share`: with all below, on a bind on itself when `bind` says so. */
export interface MountStep {
  kind: 'isolate' | 'share'
  outcome: Outcome
  path: string
  bind: 'none' | 'alone' | 'recursive'
  command: string
  note: string
}

/**
 * @param table one in which `/` is a mount point, unless that is to be kept
 * @throws {UsageError} a directory is to be private and shared
 */
export function planMounts(table: MountTable, wishes: Wishes): MountStep[] {
  const root = planRoot(table, wishes.keepRoot)
  const future = new Future(table, root.outcome === 'would', wishes.isOurs ?? (() => false))
  const isolated = [
    ...outermostFirst(wishes.polydirs).map((place) => future.isolatePolydir(place)),
    ...outermostFirst(wishes.parents).map((place) => future.isolateParent(place)),
  ]
  return [root, ...isolated, ...outermostFirst(wishes.share).flatMap((place) => future.share(place))]
}

function planRoot(table: MountTable, keepRoot: boolean): MountStep {
  const step = shareStep('/')
  if (keepRoot) return { ...step, outcome: 'skipped', note: '--keep-root' }
  const root = table.at('/')
  const isShared = root !== null && propagationType(root.propagation) === 'shared'
  return { ...step, outcome: isShared ? 'already' : 'would' }
}

/** The table as it will be after the steps planned so far. */
class Future {
  /** Private at the end, whether or not they were before. */
  readonly #isolated: string[] = []
  /** Those that get a bind for it. What is below is bound with them, and is private too. */
  readonly #bound: string[] = []
  /** Those that get a bind in order to be shared. */
  readonly #shared: string[] = []

  constructor(
    readonly table: MountTable,
    /** The first step makes every mount shared. */
    readonly sharesAll: boolean,
    readonly isOurs: (mount: Mount) => boolean,
  ) {}

  isolatePolydir(place: Place): MountStep {
    const mount = place.real === null ? null : this.table.at(place.real)
    return this.#isolate(place, mount !== null && this.#willBePrivate(mount))
  }

  /** A parent may be on any mount that is not shared: it need not have one of its own. */
  isolateParent(place: Place): MountStep {
    const { real } = place
    const mount = real === null ? null : this.table.holding(real)
    const isPrivate = real !== null && (this.#isBound(real) || mount === null || !this.#willBeShared(mount))
    return this.#isolate(place, isPrivate)
  }

  share(place: Place): MountStep[] {
    const { path, real } = place
    if (real === null) return [{ ...shareStep(path), outcome: 'skipped', note: place.note }]
    this.#requireShareable(path, real)
    const top = this.table.at(real)
    if (top !== null) return [this.#shareTree(path, top)]
    const under = this.#sharedAbove(real)
    if (under === null) {
      this.#shared.push(real)
      return [{ ...shareStep(path), ...this.#bind(place, 'shared'), outcome: 'would' }]
    }
    const below = outermost(this.table.below(real).filter((mount) => !this.#willBeShared(mount)))
    const note = `part of ${under}, which is shared`
    return [
      { ...shareStep(path), outcome: 'already', note },
      ...below.map((mount) => this.#shareTree(mount.mountPoint, mount)),
    ]
  }

  #shareTree(path: string, top: Mount): MountStep {
    const isDone = [top, ...this.table.below(top.mountPoint)].every((mount) => this.#willBeShared(mount))
    return { ...shareStep(path), outcome: isDone ? 'already' : 'would' }
  }

  #requireShareable(path: string, real: string): void {
    const isolated = this.#isolated.find((inner) => isAtOrBelow(inner, real))
    if (isolated !== undefined)
      throw new UsageError(`--share ${path} would share ${isolated}, which the configuration makes private`)
    const above = this.#isolated.find((outer) => isAtOrBelow(real, outer))
    if (above === undefined) return
    throw new UsageError(
      `--share ${path} is in ${above}, which the configuration makes private: no session would see it`,
    )
  }

  /** Where the mount or the tree begins that makes a directory without a mount of its own shared. */
  #sharedAbove(real: string): string | null {
    const tree = this.#shared.find((top) => isAtOrBelow(real, top))
    if (tree !== undefined) return tree
    const mount = this.table.holding(real)
    return mount !== null && this.#willBeShared(mount) ? mount.mountPoint : null
  }

  #isolate(place: Place, isDone: boolean): MountStep {
    const { path, real, note } = place
    const step = { kind: 'isolate', path, ...this.#bind(place, 'private') } as const
    if (real === null) return { ...step, outcome: 'skipped', note }
    this.#isolated.push(real)
    if (isDone) return { ...step, outcome: 'already', note: this.#whyPrivate(real) }
    this.#bound.push(real)
    const top = this.table.at(real)
    if (top === null || !this.isOurs(top)) return { ...step, outcome: 'would', note: '' }
    const line = command('mount', '--make-rprivate', path)
    return {
      ...step,
      bind: 'none',
      outcome: 'would',
      command: line,
      note: 'a run that was killed has bound it',
    }
  }

  /** What makes a directory private that has no mount of its own; empty where it has one. */
  #whyPrivate(real: string): string {
    const top = this.#bound.find((above) => isAtOrBelow(real, above)) ?? this.table.holding(real)?.mountPoint
    return top === undefined || top === real ? '' : `part of ${top}, which is private`
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

  #willBeShared({ mountPoint, propagation }: Mount): boolean {
    if (this.#isBound(mountPoint)) return false
    return this.sharesAll || propagationType(propagation) === 'shared'
  }

  #isBound(path: string): boolean {
    return this.#bound.some((top) => isAtOrBelow(path, top))
  }
}

function shareStep(path: string) {
  const line = command('mount', '--make-rshared', path)
  return { kind: 'share', path, bind: 'none', command: line, note: '' } as const
}

/** Those that are not below another of them. */
function outermost(mounts: readonly Mount[]): Mount[] {
  return mounts.filter(
    (mount) => !mounts.some((m) => m !== mount && isAtOrBelow(mount.mountPoint, m.mountPoint)),
  )
}

function outermostFirst(places: readonly Place[]): Place[] {
  return [...places].sort((a, b) => depth(a) - depth(b))
}

function depth({ path, real }: Place): number {
  return (real ?? path).split('/').length
}
