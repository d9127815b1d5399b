/* Private namespaces in which no registered session is any more: what was started in one and has outlived it. */
import { readlinkSync } from 'node:fs'
import { namespaceLink } from '../../ns/enter.js'
import { markedUid } from '../../ns/marker.js'
import { isLive, readRecords } from '../../session/registry.js'
import { type Check, note, ok } from '../finding.js'
import type { Host } from '../host.js'
import { some } from '../some.js'

export const orphanNamespaces: Check = {
  id: 'orphan-namespaces',
  title: 'Each private namespace belongs to a session',
  status: 1,
  run(host) {
    const marked = markedWithoutSession(host)
    if (marked.length === 0) return [ok('no process has outlived its session')]
    const whose = marked.map(({ uid, pids }) => `uid ${uid}: ${some(pids)}`)
    const shown = whose.length <= 5 ? whose : [...whose.slice(0, 5), `and ${whose.length - 5} more`]
    const why =
      'as with nohup: their user keeps his directories until they end, and a new session of his shares no mounts with them; ' +
      'a service that was started there serves all out of that view'
    return [note(`processes in private namespaces without a session: ${shown.join('; ')}`, why)]
  },
}

/** By their marks, with the processes in each. */
function markedWithoutSession({ processes }: Host): { uid: number; pids: readonly number[] }[] {
  const sessions = readRecords().filter((record) => record.ended === undefined && isLive(record))
  const known = new Set(sessions.flatMap(({ leader }) => namespaceLink(leader.pid) ?? []))
  known.add(readlinkSync('/proc/thread-self/ns/mnt'))
  return [...processes.namespaces].flatMap(([link, pids]) => {
    const uid = known.has(link) ? null : uidAmong(pids)
    return uid === null ? [] : [{ uid, pids }]
  })
}

/** The first who is still there answers for all: they see the same. */
function uidAmong(pids: readonly number[]): number | null {
  for (const pid of pids) {
    try {
      return markedUid(`/proc/${pid}`)
    } catch {
      // it has just ended
    }
  }
  return null
}
