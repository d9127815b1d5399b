/*
 * mntopts=: what is given to mount(2) for a tmpfs. nosuid, nodev and noexec become mount flags, the rest is the
 * data for tmpfs itself, with each byte where pam_namespace would have it.
 */
import { type Reporter, show } from './problem.js'
import type { MountFlag } from './types.js'
import type { Word } from './words.js'

/** In the order in which rules list them. */
export const MOUNT_FLAGS: readonly MountFlag[] = ['nosuid', 'nodev', 'noexec']

// tmpfs(5), and the options of the superblock and of the security modules that reach it by the same way.
const SIZED = new Set(['size', 'nr_blocks', 'nr_inodes'])
const VALUED = new Set('mode uid gid mpol huge context fscontext defcontext rootcontext casefold'.split(' '))
const PLAIN = new Set(
  'inode32 inode64 noswap ro rw sync async lazytime nolazytime seclabel casefold strict_encoding'.split(' '),
)

const QUOTA = /^(usr|grp)?quota/

/** @param value what stands behind the `=` */
export function readMountOptions(
  value: Word,
  reporter: Reporter,
): { data: string | null; flags: MountFlag[] } {
  const flags: MountFlag[] = []
  const data: string[] = []
  const options = value.split(',')
  for (const [index, option] of options.entries()) {
    const flag = MOUNT_FLAGS.find((name) => name === option.text)
    if (flag !== undefined) flags.push(flag)
    // An empty option is dropped by pam_namespace, but for the last one, which leaves its comma.
    else if (option.text !== '' || index === options.length - 1) data.push(option.text)
    judgeOption(option, reporter)
  }
  const isEmpty = value.text === '' || data.length === 0
  return { data: isEmpty ? null : data.join(','), flags }
}

function judgeOption(option: Word, reporter: Reporter) {
  const { text, column } = option
  if (text === '') {
    reporter.report('bad-value', column, 'an empty mount option', { compat: 'it is passed over' })
    return
  }
  if (MOUNT_FLAGS.some((name) => name === text)) return
  const [name = '', value] = text.split(/=(.*)/s)
  if (value === undefined ? PLAIN.has(name) || QUOTA.test(name) : VALUED.has(name) || QUOTA.test(name)) return
  if (SIZED.has(name) && /^\d+[kmgtpe]?$/i.test(value ?? '')) return
  if (name === 'size' && /^\d+%$/.test(value ?? '')) return
  reporter.report(
    'suspect-mntopt',
    column,
    `tmpfs does not know ${show(text)}: the mount may fail at every login`,
    {
      allowed:
        'nosuid, nodev, noexec, size=, nr_blocks=, nr_inodes=, mode=, uid=, gid=, mpol=, huge= and others of tmpfs(5)',
    },
  )
}
