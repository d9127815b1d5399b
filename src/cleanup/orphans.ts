/*
 * Directories that were one session's only, and of which no record tells any more: the machine went down and with it /run, or
 * a helper was killed before it could write the record. They go when no namespace holds them.
 */
import { readRecords } from '../session/registry.js'
import { holdersOfEach } from './holders.js'
import type { SessionDirectory } from './instances.js'
import { scanProcesses } from './processes.js'

/** Those of `candidates` that are nobody's. */
export function findOrphans(candidates: readonly SessionDirectory[]): SessionDirectory[] {
  if (candidates.length === 0) return []
  const recorded = new Set(readRecords().flatMap(({ mounts }) => mounts.map(({ instance }) => instance)))
  const lost = candidates.filter(({ instance }) => !recorded.has(instance))
  if (lost.length === 0) return []
  const processes = scanProcesses(new Set([process.pid]))
  const holders = holdersOfEach(
    lost.map(({ instance }) => instance),
    processes,
  )
  return lost.filter(({ instance }) => holders.get(instance)?.length === 0)
}
