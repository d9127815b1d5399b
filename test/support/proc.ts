/*
 * What the machine's /proc tells about the processes and mounts of a sandbox. Read from outside, so looking changes nothing
 * inside.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

export interface Process {
  /** In the sandbox. */
  pid: number
  /** Out here. */
  hostPid: number
  hostPpid: number
  /** `S` sleeping, `Z` zombie... */
  state: string
  uid: number
  /** The command line, or the name in brackets if there is none. */
  command: string
  /** `mnt:[4026531841]`; empty for a zombie. */
  mntNs: string
}

/** Every process in the sandbox whose pid 1 is `hostPid` out here, in nested pid namespaces too. */
export function processesOf(hostPid: number): Process[] {
  const pidNs = link(`/proc/${hostPid}/ns/pid`)
  if (pidNs === '') return []
  const all = new Map<number, Process & { inside: boolean }>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const status = read(`/proc/${name}/status`)
    if (status === '') continue
    const field = (key: string) => new RegExp(`^${key}:\\s*(.*)$`, 'm').exec(status)?.[1] ?? ''
    const command = read(`/proc/${name}/cmdline`).replaceAll('\0', ' ').trim()
    all.set(Number(name), {
      pid: Number(field('NSpid').split('\t').at(-1)),
      hostPid: Number(name),
      hostPpid: Number(field('PPid')),
      state: field('State').slice(0, 1),
      uid: Number(field('Uid').split('\t')[1]),
      command: command || `[${field('Name')}]`,
      mntNs: link(`/proc/${name}/ns/mnt`),
      inside: link(`/proc/${name}/ns/pid`) === pidNs,
    })
  }
  // A zombie has no namespace links any more, and a nested pid namespace has another one: both are found by their parents.
  const belongs = (p: Process & { inside: boolean }): boolean => {
    const parent = all.get(p.hostPpid)
    return p.inside || p.hostPid === hostPid || (parent !== undefined && parent !== p && belongs(parent))
  }
  return [...all.values()].filter(belongs).map(({ inside: _, ...p }) => p)
}

/**
 * proc_pid_mountinfo(5) without what differs between two equal tables: mount ids, device numbers; peer groups are numbered
 * in the order in which they appear. One line a mount: `ROOT MOUNTPOINT OPTIONS [shared:N] [master:N] - FSTYPE SOURCE SUPER`.
 */
export function mountLines(hostPid: number | 'self'): string[] {
  const groups = new Map<string, number>()
  return readFileSync(`/proc/${hostPid}/mountinfo`, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) =>
      line
        .replace(/^\d+ \d+ \d+:\d+ /, '')
        .replace(/(?<= )(shared|master|propagate_from):(\d+)(?=.* - )/g, (_, kind: string, id: string) => {
          if (!groups.has(id)) groups.set(id, groups.size + 1)
          return `${kind}:${groups.get(id)}`
        }),
    )
}

/** Ends a process and everything below it, by pid. Stopped first, so that none of them forks meanwhile. */
export function killTree(hostPid: number): void {
  const tree = [hostPid]
  for (let i = 0; i < tree.length; i++) {
    const pid = tree[i] ?? 0
    signal(pid, 'SIGSTOP')
    tree.push(...childrenOf(pid))
  }
  for (const pid of tree.reverse()) signal(pid, 'SIGKILL')
}

export function childrenOf(hostPid: number): number[] {
  try {
    return readdirSync(`/proc/${hostPid}/task`)
      .flatMap((tid) => read(`/proc/${hostPid}/task/${tid}/children`).split(' '))
      .filter((pid) => pid !== '')
      .map(Number)
  } catch {
    return []
  }
}

/** `kill` that takes a process which has ended as a success. */
export function signal(hostPid: number, name: NodeJS.Signals): void {
  try {
    process.kill(hostPid, name)
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code !== 'ESRCH') throw e
  }
}

/** The pid that a process has in the innermost of its pid namespaces. */
export function innerPid(hostPid: number): number | undefined {
  const found = /^NSpid:.*\s(\d+)$/m.exec(read(`/proc/${hostPid}/status`))?.[1]
  return found === undefined ? undefined : Number(found)
}

// A process may end between being listed and being read.
export function link(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
