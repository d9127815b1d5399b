/*
 * Everything that runs, in one pass over /proc whatever the number of users asked about: whose it is by all four uids, and
 * which mount namespace it is in. A process that ends while it is read counts as gone; one that hides is root's business.
 */
import { closeSync, openSync, readdirSync, readSync } from 'node:fs'
import { namespaceLink } from '../ns/enter.js'

/** What one pass saw. */
export interface Processes {
  /** Every uid that some process has as real, effective, saved or file-system uid, with those processes. */
  pidsOf: ReadonlyMap<number, readonly number[]>
  /** The processes in each mount namespace, by the namespace's link. */
  namespaces: ReadonlyMap<string, readonly number[]>
}

/** How often all are listed; where nothing begins meanwhile, twice. */
const MAX_LISTINGS = 5

const buffer = Buffer.allocUnsafe(4096)
const UID_LINE = Buffer.from('\nUid:')

/** @param without pids that do not count: the helper itself, and who called it */
export function scanProcesses(without: ReadonlySet<number> = new Set()): Processes {
  const pidsOf = new Map<number, number[]>()
  const namespaces = new Map<string, number[]>()
  const known = new Set(without)
  // Who lives on in a child only, and ends between being listed and being read, is found in that child.
  for (let i = 0; i < MAX_LISTINGS; i++) {
    const fresh = readdirSync('/proc').filter((name) => /^\d/.test(name) && !known.has(Number(name)))
    if (fresh.length === 0) break
    for (const name of fresh) {
      const pid = Number(name)
      known.add(pid)
      for (const uid of uidsOf(name)) add(pidsOf, uid, pid)
      const link = namespaceLink(name)
      if (link !== null) add(namespaces, link, pid)
    }
  }
  return { pidsOf, namespaces }
}

function add<K>(map: Map<K, number[]>, key: K, pid: number): void {
  const pids = map.get(key)
  if (pids === undefined) map.set(key, [pid])
  else pids.push(pid)
}

/** The four uids, each once; none for a process that has ended. */
function uidsOf(pid: string): Set<number> {
  let fd: number
  try {
    fd = openSync(`/proc/${pid}/status`, 'r')
  } catch {
    return new Set()
  }
  try {
    const length = readSync(fd, buffer, 0, buffer.length, 0)
    return parseUids(buffer.subarray(0, length))
  } catch {
    return new Set() // ESRCH: it has just ended
  } finally {
    closeSync(fd)
  }
}

/** From a status file, proc_pid_status(5): `Uid: real effective saved filesystem`. A zombie has its uids still, and holds nothing. */
export function parseUids(status: Buffer): Set<number> {
  if (/\nState:\t[ZX]/.test(status.toString('latin1', 0, 256))) return new Set()
  const at = status.indexOf(UID_LINE)
  if (at < 0) return new Set()
  const end = status.indexOf(0x0a, at + 1)
  return new Set(
    status
      .toString('latin1', at + UID_LINE.length, end)
      .trim()
      .split(/\s+/)
      .map(Number),
  )
}
