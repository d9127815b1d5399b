/*
 * polyns inspect: what a process sees, for people and as JSON. The JSON is a contract: its keys, their order and their
 * types stay.
 */
import { type Inspection, inspect } from '../doctor/inspect.js'
import { sayDifference } from '../doctor/inspect-words.js'
import type { SessionRecord } from '../session/registry.js'
import { UsageError } from '../sys/errors.js'
import { getpwuid } from '../sys/names.js'
import { printInspection } from './inspect-text.js'
import type { Io } from './io.js'

export interface InspectOptions {
  /** As typed. */
  pid: string
  json: boolean
}

/**
 * @throws {UsageError} not a number. {@link SyscallError} ESRCH: no such process
 * @throws {UnsupportedError} a thread of the kernel's, or only root may look
 */
export function runInspect(options: InspectOptions, io: Io): void {
  if (!/^[1-9]\d{0,9}$/.test(options.pid))
    throw new UsageError(`inspect takes the number of a process, not '${options.pid}'`)
  const inspection = inspect(Number(options.pid))
  const nameOf = (uid: number) => getpwuid(uid)?.name ?? null
  if (options.json) io.out(`${JSON.stringify(toJson(inspection, nameOf))}\n`)
  else io.out(printInspection(inspection, nameOf, io.color))
}

function toJson(it: Inspection, nameOf: (uid: number) => string | null) {
  const { pid, tid, command, uid } = it.process
  return {
    pid,
    tid,
    command,
    user: nameOf(uid),
    uid,
    session: it.session === null ? null : sessionJson(it.session),
    sharedWith: it.sharedWith.map(sessionJson),
    job: it.job,
    namespace: namespaceJson(it, nameOf),
    directories: it.directories,
    differences: it.differences?.map((difference) => differenceJson(difference, it)) ?? null,
    unseen: it.unseen,
  }
}

function sessionJson({ id, user, service, tty, rhost, leader, opened }: SessionRecord) {
  return { id, user, service, tty, rhost, pid: leader.pid, opened }
}

function namespaceJson({ namespace: it }: Inspection, nameOf: (uid: number) => string | null) {
  const isOurs = it.kind === 'polyns'
  return {
    kind: it.kind,
    user: isOurs ? nameOf(it.uid) : null,
    uid: isOurs ? it.uid : null,
    made: isOurs ? (it.made?.toISOString() ?? null) : null,
    unit: it.kind === 'other' ? it.unit : null,
  }
}

function differenceJson(it: NonNullable<Inspection['differences']>[number], inspection: Inspection) {
  const { mountPoint, fstype, source } = it.mount
  return {
    kind: it.kind,
    path: mountPoint,
    type: fstype,
    source,
    reason: 'reason' in it ? it.reason.code : 'origin' in it ? it.origin : null,
    tree: 'reason' in it && 'tree' in it.reason ? it.reason.tree : null,
    order: 'order' in it ? it.order : null,
    by: 'by' in it ? it.by.mountPoint : null,
    below: 'below' in it ? it.below : 0,
    ...sayDifference(it, inspection),
  }
}
