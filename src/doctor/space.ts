/* How full a file system is. Pure. */

/** As statfs(2) has it. */
export interface Space {
  bsize: number
  blocks: number
  bavail: number
  files: number
  ffree: number
}

/** What is short, in words; null: there is enough. A file system without a fixed number of inodes says 0 files. */
export function shortOf(
  { bsize, blocks, bavail, files, ffree }: Space,
  least: { part: number; bytes: number; inodes: number },
): string | null {
  const free = bavail * bsize
  if (blocks > 0 && (bavail < blocks * least.part || free < least.bytes))
    return `${Math.floor(free / 1024)} KiB left`
  if (files > 0 && (ffree < files * least.part || ffree < least.inodes)) return `${ffree} inodes left`
  return null
}
