/* A tmpfs that is not mounted yet. */
import type { Fd } from '../sys/fd.js'
import { fsconfigCreate, fsconfigSet, fsmount, fsopen } from '../sys/mount.js'

/**
 * A new tmpfs as a detached mount.
 * @param source what mount tables call it
 * @param options of tmpfs(5), in their order; null for one without a value
 * @param attributes of the mount: MOUNT_ATTR
 */
export function newTmpfs(
  source: string,
  options: readonly (readonly [name: string, value: string | null])[],
  attributes: number,
): Fd {
  using context = fsopen('tmpfs')
  fsconfigSet(context, 'source', source)
  for (const [name, value] of options) fsconfigSet(context, name, value)
  fsconfigCreate(context)
  return fsmount(context, attributes)
}

/** The options of one that holds nothing but so many directories, which all may read. */
export function emptyTmpfs(inodes: number): [string, string][] {
  return [
    ['size', '4k'],
    ['nr_inodes', `${inodes}`],
    ['mode', '555'],
  ]
}
