/*
 * The mount namespaces that something runs in, found by its processes. One that only a thread of its own or a pinned file
 * keeps is not seen: neither is how a session of polyns lives.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { type MountNamespace, mountNamespaceOf, namespaceLink } from '../ns/enter.js'
import { ignoring } from '../sys/call.js'

/** A namespace and who is in it. */
export interface Inhabited {
  /** As lsns(8) numbers it. */
  inode: string
  /** In ascending order. */
  pids: number[]
}

/** Every namespace that a process is in, other than the host's. */
export function inhabitedNamespaces(): Inhabited[] {
  const host = namespaceLink(1)
  const pidsIn = new Map<string, number[]>()
  for (const pid of pidsOfProc()) {
    const link = namespaceLink(pid)
    if (link === null || link === host || pid === process.pid) continue
    const pids = pidsIn.get(link)
    if (pids === undefined) pidsIn.set(link, [pid])
    else pids.push(pid)
  }
  return Array.from(pidsIn, ([link, pids]) => ({ inode: /\d+/.exec(link)?.[0] ?? '', pids }))
}

/** Opens it by whichever of its processes is still there. @returns null: all of them have ended */
export function openInhabited({ inode, pids }: Inhabited): MountNamespace | null {
  for (const pid of pids) {
    const namespace = ignoring(['ENOENT', 'ESRCH'], 'it has ended', () => mountNamespaceOf(`/proc/${pid}`))
    if (namespace === undefined) continue
    if (`${namespace.inode}` === inode) return namespace
    namespace[Symbol.dispose]() // the number is another process's now, or it went elsewhere
  }
  return null
}

/** `pid 12 (bash)` for each of `pids` that has its working directory, its root or an open file at or below `path`. */
export function usersOf(path: string, pids: readonly number[]): string[] {
  return pids.filter((pid) => holds(pid, path)).map((pid) => `pid ${pid} (${commOf(pid)})`)
}

function holds(pid: number, path: string): boolean {
  // The links are read and not followed: nothing here waits for a file system.
  const links = [
    'cwd',
    'root',
    'exe',
    ...quietly(() => readdirSync(`/proc/${pid}/fd`), []).map((n) => `fd/${n}`),
  ]
  return links.some((name) => {
    const at = quietly(() => readlinkSync(`/proc/${pid}/${name}`), '')
    return at === path || at.startsWith(`${path}/`)
  })
}

/** The name of a process; empty once it has ended. */
export function commOf(pid: number): string {
  return quietly(() => readFileSync(`/proc/${pid}/comm`, 'utf8').trim(), '')
}

function pidsOfProc(): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter(Number.isInteger)
    .sort((a, b) => a - b)
}

/** A process may end while it is looked at. */
function quietly<T>(look: () => T, otherwise: T): T {
  try {
    return look()
  } catch {
    return otherwise
  }
}
