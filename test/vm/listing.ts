/*
 * What an installation must leave as it was: /etc, the mount table, /run. One line an entry, so that a difference names it.
 */
import type { Machine } from './machine.js'

export interface Listing {
  etc: string[]
  mounts: string[]
  run: string[]
}

/** type, mode, owner, size of a link's target; of a file its hash too */
const ETC = `cd /etc && {
  find . -printf '%y %m %U:%G %p %l\\n'
  find . -type f -exec sha256sum {} +
} | sort`

/**
 * Root, mount point, options and propagation without their numbers, type and source. Without the size of a tmpfs: that is a
 * part of the memory, of which each boot leaves some kB more or less.
 */
const MOUNTS = `while read -r id parent device root point rest; do
  printf '%s %s %s\\n' "$root" "$point" "$rest"
done </proc/1/mountinfo | sed -E 's/ (shared|master):[0-9]+/ \\1/g; s/,size=[0-9]+k//' | sort`

const RUN = `find /run -xdev -printf '%y %m %U:%G %p %l\\n' | sort`

/** What the machine itself makes and takes away in the course of its life. */
const PASSING = [
  /^\S+ \/run\/(user|credentials)\//, // mounts: of logins, of services while they start
  / \/run\/(systemd|udev|log|user|credentials|sudo|dbus)(\/|$)/,
  / \/run\/(utmp|motd\S*|sshd|munge\S*|\S+\.pid|mount(\/utab\S*)?)( |$|\/)/,
  /^\S+ \/proc\/sys\/fs\/binfmt_misc /, // an automount
]

export async function listing(vm: Machine): Promise<Listing> {
  const lines = async (script: string) =>
    (await vm.sh(script)).split('\n').filter((line) => line !== '' && !PASSING.some((p) => p.test(line)))
  return { etc: await lines(ETC), mounts: await lines(MOUNTS), run: await lines(RUN) }
}

/** The lines that only one of two listings has, as `- gone` and `+ new`. */
export function difference(before: Listing, after: Listing): string[] {
  const found: string[] = []
  for (const part of ['etc', 'mounts', 'run'] as const) {
    const [was, is] = [new Set(before[part]), new Set(after[part])]
    found.push(...before[part].filter((line) => !is.has(line)).map((line) => `- ${part}: ${line}`))
    found.push(...after[part].filter((line) => !was.has(line)).map((line) => `+ ${part}: ${line}`))
  }
  return found
}
