/*
 * Directories that were one session's only, and of which no record tells any more: the machine went down and with it /run, or
 * a helper was killed before it could write the record. They go when no namespace holds them.
 */
import { tryLockUser } from '../session/lock.js'
import { readRecords } from '../session/registry.js'
import { type Aside, setAside } from './instance.js'
import type { SessionDirectory } from './instances.js'
import { holdersOf, scanProcesses } from './processes.js'

/** Those of `candidates` that are nobody's. */
export function findOrphans(candidates: readonly SessionDirectory[]): SessionDirectory[] {
  if (candidates.length === 0) return []
  const recorded = new Set(readRecords().flatMap(({ mounts }) => mounts.map(({ instance }) => instance)))
  const lost = candidates.filter(({ instance }) => !recorded.has(instance))
  if (lost.length === 0) return []
  const processes = scanProcesses(new Set([process.pid]))
  return lost.filter(({ name }) => holdersOf(name, processes).length === 0)
}

/** Looks again under the user's lock: session ids come again after a boot, and one may be about to begin in there. */
export function setOrphanAside(found: SessionDirectory): Aside | null {
  if (found.uid === null) return setAside(found)
  using lock = tryLockUser(found.uid)
  return lock === null || findOrphans([found]).length === 0 ? null : setAside(found)
}
