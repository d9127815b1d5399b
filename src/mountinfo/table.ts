/*
 * Questions to a mount table. It is walked as the kernel walks a path: from the root mount, at each component over to what
 * is mounted there, and again while something is mounted on that. The longest mount point that fits can be wrong: it may
 * be below a mount that came later and hides it. Paths are absolute and free of symbolic links.
 */
import { posix } from 'node:path'
import type { Mount, MountId, Propagation } from './parse.js'

export class MountTable {
  readonly #byId = new Map<MountId, Mount>()
  /** Mount points on one mount. No two mounts are on the same point of one mount: the later is on the earlier. */
  readonly #points = new Map<MountId, Map<string, Mount>>()
  /** What is mounted on something that is not in the table: the root, or in a chroot whatever is below it. */
  readonly #tops = new Map<string, Mount>()

  constructor(readonly mounts: readonly Mount[]) {
    for (const mount of mounts) this.#byId.set(mount.id, mount)
    for (const mount of mounts) {
      const isTop = mount.parentId === mount.id || !this.#byId.has(mount.parentId)
      this.#pointsOn(isTop ? null : mount.parentId).set(mount.mountPoint, mount)
    }
  }

  byId(id: MountId): Mount | null {
    return this.#byId.get(id) ?? null
  }

  /**
   * The mount that `path` is on; for a mount point the one on top there. A mount on top of `/` itself does not count:
   * the root directory of a process stays below it.
   * @returns null in a chroot whose root is no mount point, for what is on the mount that it lies on
   */
  holding(path: string): Mount | null {
    let mount = this.#tops.get('/') ?? null
    for (const prefix of prefixes(path)) {
      for (let next = this.#on(mount, prefix); next !== null; next = this.#on(mount, prefix)) mount = next
    }
    return mount
  }

  /** The mount whose root is seen at `path`. @returns null: not a mount point */
  at(path: string): Mount | null {
    const mount = this.holding(path)
    return mount !== null && mount.mountPoint === normalize(path) ? mount : null
  }

  /** Whether a path leads to it; otherwise another mount is on top of it, or above its mount point. */
  isVisible(mount: Mount): boolean {
    return this.holding(mount.mountPoint) === mount
  }

  /** The visible mounts at points below `path`. */
  below(path: string): Mount[] {
    const prefix = normalize(path) === '/' ? '/' : `${normalize(path)}/`
    return this.mounts.filter(
      (m) => m.mountPoint !== '/' && m.mountPoint.startsWith(prefix) && this.isVisible(m),
    )
  }

  /** The mounts directly on `mount`, wherever on it, hidden ones too. */
  childrenOf(mount: Mount): Mount[] {
    return [...(this.#points.get(mount.id)?.values() ?? [])]
  }

  /** All that MS_REC on `mount` reaches besides itself. */
  descendantsOf(mount: Mount): Mount[] {
    return this.childrenOf(mount).flatMap((child) => [child, ...this.descendantsOf(child)])
  }

  #on(mount: Mount | null, point: string): Mount | null {
    const next = mount === null ? this.#tops.get(point) : this.#points.get(mount.id)?.get(point)
    return next ?? null
  }

  #pointsOn(id: MountId | null): Map<string, Mount> {
    if (id === null) return this.#tops
    const points = this.#points.get(id) ?? new Map<string, Mount>()
    this.#points.set(id, points)
    return points
  }
}

export type PropagationType = 'shared' | 'slave' | 'private' | 'unbindable'

/** As mount(8) names it. A slave that is shared further on is `shared`: mounts on it spread. */
export function propagationType(propagation: Propagation): PropagationType {
  if (propagation.shared !== undefined) return 'shared'
  if (propagation.master !== undefined) return 'slave'
  return propagation.unbindable ? 'unbindable' : 'private'
}

function normalize(path: string): string {
  if (!path.startsWith('/')) throw new Error(`a path in a mount table is absolute: ${path}`)
  const normal = posix.normalize(path)
  return normal.length > 1 && normal.endsWith('/') ? normal.slice(0, -1) : normal
}

/** `/a/b`: `/a` and `/a/b`. For `/` none: the walk begins there and does not step onto what covers it. */
function prefixes(path: string): string[] {
  const names = normalize(path).split('/').filter(Boolean)
  return names.map((_, i) => `/${names.slice(0, i + 1).join('/')}`)
}

/** Whether `path` is `top` or below it. Both absolute and normal. */
export function isAtOrBelow(path: string, top: string): boolean {
  return path === top || path.startsWith(top === '/' ? top : `${top}/`)
}
