/*
 * Which namespaces still hold an instance: something is mounted there that is this very directory. Anybody can mount a directory
 * of the same name in a namespace of his own, so the name alone does not say it: the file system and the place in it do.
 */
import { readFileSync, readlinkSync } from 'node:fs'
import { basename, dirname, posix } from 'node:path'
import { parseRoots } from '../mountinfo/parse.js'
import { mountIdOf, readMounts } from '../mountinfo/read.js'
import type { MountTable } from '../mountinfo/table.js'
import { openSafe } from '../ns/safepath.js'
import type { Processes } from './processes.js'

/** A directory as mountinfo tells of it when it is mounted: the same in every namespace, whatever stat calls the device. */
interface Place {
  dev: string
  root: string
}

/**
 * The namespaces other than this thread's, each by one process, in which the directory `instance` is mounted. Called in the
 * host's namespace. Whoever cannot be asked has it in use.
 */
export function holdersOf(instance: string, processes: Pick<Processes, 'namespaces'>): readonly number[] {
  return holdersOfEach([instance], processes).get(instance) ?? []
}

/** The same of each of `instances`: whatever their number, every namespace is looked into once. */
export function holdersOfEach(
  instances: readonly string[],
  { namespaces }: Pick<Processes, 'namespaces'>,
): ReadonlyMap<string, readonly number[]> {
  const holders = new Map<string, number[]>(instances.map((instance) => [instance, []]))
  const wanted = new Wanted([...holders.keys()])
  const own = readlinkSync('/proc/thread-self/ns/mnt')
  for (const [link, pids] of namespaces) {
    const found = link === own ? undefined : heldAmong(pids, wanted)
    if (found === undefined) continue
    for (const instance of found.held) holders.get(instance)?.push(found.pid)
  }
  return holders
}

/** The instances that are looked for. Almost no mount has the name of one, so their places are mostly not needed. */
class Wanted {
  readonly #byName = new Map<string, { instance: string; place: () => Place | null }[]>()

  constructor(readonly all: readonly string[]) {
    const table = once(readMounts)
    for (const instance of all) {
      const same = this.#byName.get(basename(instance)) ?? []
      same.push({ instance, place: once(() => placeOf(instance, table)) })
      this.#byName.set(basename(instance), same)
    }
  }

  /** Those that `mount` is one of. */
  at(mount: Place): string[] {
    const named = this.#byName.get(mount.root.slice(mount.root.lastIndexOf('/') + 1)) ?? []
    return named.flatMap(({ instance, place }) => (isAt(mount, place()) ? [instance] : []))
  }
}

/** Where it cannot be told, the name has to do. */
function isAt(mount: Place, place: Place | null): boolean {
  return place === null || (mount.dev === place.dev && mount.root === place.root)
}

/** From the mount that its parent is on. Not stat: on btrfs and others it has device numbers that no mount table shows. */
function placeOf(instance: string, table: () => MountTable): Place | null {
  try {
    using parent = openSafe(dirname(instance))
    const mount = table().byId(mountIdOf(parent))
    if (mount === null) return null
    const inMount = posix.relative(mount.mountPoint, readlinkSync(parent.procPath))
    return { dev: mount.dev, root: posix.join(mount.root, inMount, basename(instance)) }
  } catch {
    return null
  }
}

/** The first who is still there answers for all: they see the same. */
function heldAmong(pids: readonly number[], wanted: Wanted): { pid: number; held: Set<string> } | undefined {
  for (const pid of pids) {
    const held = heldBy(pid, wanted)
    if (held !== null) return { pid, held: new Set(held) }
  }
  return undefined
}

/** null: it has ended. */
function heldBy(pid: number, wanted: Wanted): readonly string[] | null {
  try {
    return parseRoots(readFileSync(`/proc/${pid}/mountinfo`, 'utf8')).flatMap((mount) => wanted.at(mount))
  } catch (error) {
    const hasEnded = ['ENOENT', 'ESRCH', 'EINVAL'].includes((error as NodeJS.ErrnoException).code ?? '')
    return hasEnded ? null : wanted.all
  }
}

function once<T>(fn: () => T): () => T {
  let made: { value: T } | undefined
  return () => {
    made ??= { value: fn() }
    return made.value
  }
}
