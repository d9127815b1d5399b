/*
 * What is to happen to one mount in one namespace, from the mount tables alone. Pure: the machine is asked by live.ts.
 * The rule is to touch nothing that a session, or another tool, has of its own.
 */
import type { Mount } from '../mountinfo/parse.js'
import type { MountTable } from '../mountinfo/table.js'
import { MARK_DIRECTORY } from '../ns/marker.js'

/** The host's side: its table, and where in it. */
export interface HostView {
  table: MountTable
  /** Absolute, without symbolic links. */
  path: string
}

/** The namespace's side. */
export interface View {
  table: MountTable
  /** The directory that the mount lies in is the very one that it is on the host. */
  isSameParent: boolean
  /** Private directories of the user whose namespace it is. */
  polydirs: readonly string[]
}

/** Why nothing is to be done. */
export interface Refusal {
  outcome: 'already' | 'left'
  why: string
}

const left = (why: string): Refusal => ({ outcome: 'left', why })

/** Whether the mount that the host has at its path is to be brought. @returns null: yes */
export function judgeMount(host: HostView, view: View): Refusal | null {
  const stack = stackAt(host)
  const there = view.table.at(host.path)
  if (!view.isSameParent) return left('the directory that it is in is another one there')
  if (there !== null) {
    if (isSame(there, stack.at(-1))) return { outcome: 'already', why: '' }
    // Under the host's may lie an autofs trigger, or an older mount, which the namespace has too.
    if (!stack.some((mount) => isSame(mount, there))) return left(`${nameOf(there)} is mounted there`)
  }
  return spreads(host, view.table.holding(host.path))
}

/** Whether what is mounted at that path is to be unmounted; the host may have it still, or not. @returns null: yes */
export function judgeUmount(host: HostView, view: View): Refusal | null {
  const there = view.table.at(host.path)
  if (there === null) return { outcome: 'already', why: 'not mounted there' }
  if (!view.isSameParent) return left('the directory that it is in is another one there')
  if (host.path === MARK_DIRECTORY || there.source === 'polyns' || view.polydirs.includes(host.path))
    return left('it is a private directory of that session')
  const stack = stackAt(host)
  const isTheHosts = there.propagation.master !== undefined || stack.some((mount) => isSame(mount, there))
  if (!isTheHosts && isUsersOwn(there)) return left(`${nameOf(there)} is a mount of the user's own`)
  if (!isTheHosts && stack.length > 0)
    return left(`${nameOf(there)} is mounted there, which is not what the host has`)
  return spreads(host, view.table.byId(there.parentId))
}

/** Another tool's namespace may have stayed a peer of the host: what happens there happens on the host, and everywhere. */
function spreads({ table }: HostView, on: Mount | null): Refusal | null {
  const group = on?.propagation.shared
  const isPeer = group !== undefined && table.mounts.some((mount) => mount.propagation.shared === group)
  return isPeer ? left('what is mounted there spreads to the host') : null
}

/** All that the host has at the path, each on the one before. */
function stackAt({ table, path }: HostView): Mount[] {
  const stack: Mount[] = []
  for (let mount = table.at(path); mount?.mountPoint === path; mount = table.byId(mount.parentId))
    stack.unshift(mount)
  return stack
}

function isSame(a: Mount, b: Mount | undefined): boolean {
  return a.dev === b?.dev && a.root === b.root
}

/** FUSE tells who mounted it; fusermount mounts for anybody. */
function isUsersOwn({ fstype, superOptions }: Mount): boolean {
  return /^fuse(\.|blk|$)/.test(fstype) && !superOptions.includes('user_id=0')
}

/** `ext4 /dev/vdb1`, `tmpfs`. */
export function nameOf({ fstype, source }: Mount): string {
  return source === fstype || source === '' ? fstype : `${fstype} ${source}`
}
