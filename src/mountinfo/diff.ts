/*
 * How the view of a process differs from the host's, and why, as far as their two mount tables tell: no claim that does not
 * follow from them. Pure. Compared is what a path shows, which directory of which file system, and not how it came to be
 * there: a directory that is bound on itself makes no difference.
 */
import { posix } from 'node:path'
import type { Mount, Propagation } from './parse.js'
import { isAtOrBelow, type MountTable } from './table.js'

export interface Views {
  host: MountTable
  /** The process's. */
  inside: MountTable
  /** Private directories and the mark: what is meant to differ. */
  own: readonly Mount[]
  /** Mounted when the namespace was complete; what came before it was copied, what came after it arrived or was made here. */
  mark: Mount | null
}

/** `before` and `after` the namespace of the process was made; null: not known. */
export type Order = 'before' | 'after' | null

/** Why a mount of the host is not there. `tree`: what it would have to be mounted on. */
export type Reason =
  /** On the host the tree gives its mounts to nobody. */
  | { code: 'host-private'; tree: string }
  /** Here the tree gets mounts from nobody, and on the host it would give them now. */
  | { code: 'private-here'; tree: string; isAutofs: boolean }
  /** Here the tree gets mounts, but from another peer group. */
  | { code: 'other-group'; tree: string; from: number; host: number }
  /** Here the tree gets the host's mounts, so this one has been here. */
  | { code: 'unmounted-here'; tree: string }
  /** It is older than the namespace, which would be a copy with it. */
  | { code: 'older' }
  | { code: 'unknown' }

export type Difference =
  /** A lookup below this automount ends with "Too many levels of symbolic links". */
  | { kind: 'autofs'; mount: Mount; reason: Reason }
  | { kind: 'missing'; mount: Mount; order: Order; reason: Reason; below: number }
  /** The host's mount is behind another one, `by`, which only this process sees. */
  | { kind: 'hidden'; mount: Mount; by: Mount; below: number }
  | { kind: 'options'; mount: Mount; host: Mount }
  /** `origin`: made in this namespace, or copied with it from the host, which has unmounted it since. */
  | { kind: 'extra'; mount: Mount; origin: 'here' | 'host' | 'unknown'; below: number }
  /** The host's mount is in a directory that is a private one here. */
  | { kind: 'private'; mount: Mount; by: Mount; below: number }

const KINDS = ['autofs', 'missing', 'hidden', 'options', 'extra', 'private'] as const

/** The most important first. */
export function compareViews(views: Views): Difference[] {
  const found = [...brokenAutomounts(views), ...ofTheHost(views)]
  const places = new Set(found.map(({ mount }) => mount.mountPoint))
  const all = [...found, ...extras(views).filter(({ mount }) => !places.has(mount.mountPoint))]
  return all.sort((a, b) => KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind))
}

/** The only directory of what keeps an instance in its place, ns/anchor.ts; it is mounted on itself. */
export const ANCHOR = '.polyns-anchor'

/** Whether it is such a tmpfs: seen only where the instance that was on it is gone. */
export function isAnchor(table: MountTable, mount: Mount): boolean {
  return table.childrenOf(mount).some(({ dev, root }) => dev === mount.dev && root === `/${ANCHOR}`)
}

/**
 * The private directories of a namespace, where no record tells: copies in it come first and the mark last, so they are the
 * mounts in between. They get nothing from outside, and show what the host does not.
 */
export function privateDirectories(
  host: MountTable,
  inside: MountTable,
  mark: Mount,
  sourceOfTmpfs: string,
): Mount[] {
  const earlier = inside.mounts.slice(0, inside.mounts.indexOf(mark))
  return earlier.filter(
    (m) =>
      m.propagation.master === undefined &&
      // A copy of a mount that the host has taken away since would have the root of its file system.
      (m.root !== '/' || (m.source === sourceOfTmpfs && !isAnchor(inside, m))) &&
      inside.isVisible(m) &&
      !showsSame(host, inside, m.mountPoint),
  )
}

/** Where in a table this directory of a file system is seen; null: nowhere, or it is deleted. */
export function pathOf(table: MountTable, { dev, root }: Pick<Mount, 'dev' | 'root'>): string | null {
  const paths = table.mounts
    .filter((m) => m.dev === dev && isAtOrBelow(root, m.root))
    .map((m) => posix.join(m.mountPoint, posix.relative(m.root, root)))
  return paths.find((path) => isSame(shownAt(table, path), { dev, root })) ?? null
}

interface Shown {
  dev: string
  root: string
}

/** Which directory of which file system a path shows; null: of a mount that is not in the table. */
function shownAt(table: MountTable, path: string): Shown | null {
  const mount = table.holding(path)
  return mount === null ? null : shownOn(mount, path)
}

function shownOn({ dev, root, mountPoint }: Mount, path: string): Shown {
  return { dev, root: posix.join(root, posix.relative(mountPoint, path)) }
}

function isSame(a: Shown | null, b: Shown | null): boolean {
  return a !== null && b !== null && a.dev === b.dev && a.root === b.root
}

function showsSame(host: MountTable, inside: MountTable, path: string): boolean {
  return isSame(shownAt(host, path), shownAt(inside, path))
}

type OfTheHost = Extract<Difference, { kind: 'missing' | 'hidden' | 'options' | 'private' }>

/** What is visible on the host and not, or not the same way, here; of a tree only its top. */
function ofTheHost(views: Views): OfTheHost[] {
  const { host, inside } = views
  const found: OfTheHost[] = []
  for (const mount of outermostFirst(host)) {
    const { mountPoint } = mount
    if (views.own.some((m) => m.mountPoint === mountPoint)) continue
    const above = found.find((d) => d.kind !== 'options' && isAtOrBelow(mountPoint, d.mount.mountPoint))
    const here = inside.at(mountPoint)
    if (showsSame(host, inside, mountPoint)) {
      if (here !== null && !sameOptions(mount, here))
        found.push({ kind: 'options', mount: here, host: mount })
    } else if (above !== undefined && above.kind !== 'options') above.below++
    else found.push(lost(mount, views))
  }
  return found
}

function lost(mount: Mount, views: Views): OfTheHost {
  const { host, inside, own } = views
  const holder = inside.holding(mount.mountPoint)
  if (holder !== null) {
    if (own.includes(holder)) return { kind: 'private', mount, by: holder, below: 0 }
    const parent = host.byId(mount.parentId)
    const without = parent === null ? null : shownOn(parent, mount.mountPoint)
    if (!isSame(without, shownOn(holder, mount.mountPoint)))
      return { kind: 'hidden', mount, by: holder, below: 0 }
  }
  const order = orderOf(mount, views.mark)
  return { kind: 'missing', mount, order, reason: whyMissing(mount, holder, order, views), below: 0 }
}

/** @param holder what it would be mounted on */
function whyMissing(mount: Mount, holder: Mount | null, order: Order, { host }: Views): Reason {
  const parent = host.byId(mount.parentId)
  if (parent === null || holder === null) return { code: 'unknown' }
  const reason = whyNothingArrives(parent, holder)
  // Copied when the namespace was made, or arrived later: either way it has been here.
  if (reason === null) return { code: 'unmounted-here', tree: holder.mountPoint }
  return order === 'before' ? { code: 'older' } : reason
}

/** @returns null when what is mounted on `host` arrives on `here` */
function whyNothingArrives(host: Mount, here: Mount): Reason | null {
  const group = host.propagation.shared
  const tree = here.mountPoint
  if (group === undefined) return { code: 'host-private', tree: host.mountPoint }
  if (receivesFrom(here.propagation, group)) return null
  const { master } = here.propagation
  if (master !== undefined) return { code: 'other-group', tree, from: master, host: group }
  return { code: 'private-here', tree, isAutofs: here.fstype === 'autofs' }
}

function receivesFrom({ shared, master, propagateFrom }: Propagation, group: number): boolean {
  return [shared, master, propagateFrom].includes(group)
}

/** The daemon mounts on the host's copy of an automount. Where that does not arrive, the kernel walks in a circle. */
function brokenAutomounts({ host, inside }: Views): Difference[] {
  return inside.mounts.flatMap((here): Difference[] => {
    if (here.fstype !== 'autofs' || !inside.isVisible(here)) return []
    const there = host.mounts.filter(({ fstype, dev }) => fstype === 'autofs' && dev === here.dev)
    const reasons = there.map((mount) => whyNothingArrives(mount, here))
    const [reason] = reasons
    return !reason || reasons.includes(null) ? [] : [{ kind: 'autofs', mount: here, reason }]
  })
}

type Extra = Extract<Difference, { kind: 'extra' }>

function extras({ host, inside, own, mark }: Views): Extra[] {
  const found: Extra[] = []
  for (const mount of outermostFirst(inside)) {
    if (own.includes(mount) || showsSame(host, inside, mount.mountPoint)) continue
    const above = found.find((d) => isAtOrBelow(mount.mountPoint, d.mount.mountPoint))
    if (above !== undefined) above.below++
    else found.push({ kind: 'extra', mount, origin: originOf(mount, inside, mark), below: 0 })
  }
  return found
}

function originOf(mount: Mount, { mounts }: MountTable, mark: Mount | null): Extra['origin'] {
  if (mark === null) return 'unknown'
  // Within one namespace the table itself is in the order in which the mounts came.
  if (mounts.indexOf(mount) < mounts.indexOf(mark)) return 'host'
  return mount.propagation.master === undefined ? 'here' : 'unknown'
}

function orderOf(mount: Mount, mark: Mount | null): Order {
  if (mount.uniqueId === undefined || mark?.uniqueId === undefined) return null
  return mount.uniqueId < mark.uniqueId ? 'before' : 'after'
}

function outermostFirst(table: MountTable): Mount[] {
  const depth = ({ mountPoint }: Mount) => mountPoint.split('/').filter(Boolean).length
  return table.mounts.filter((mount) => table.isVisible(mount)).sort((a, b) => depth(a) - depth(b))
}

function sameOptions(a: Mount, b: Mount): boolean {
  return [...a.options].sort().join() === [...b.options].sort().join()
}
