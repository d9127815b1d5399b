/*
 * Whether a user is still there: decided by processes, not by counters. Any process with his uid in any of its four ids or in
 * his subordinate range, any registered session whose leader lives, any namespace that still has the instance mounted.
 */
import { readFileSync } from 'node:fs'
import { notedJobs } from '../session/jobs.js'
import { isLive, readRecords } from '../session/registry.js'
import { holdersOf, type Processes } from './processes.js'

export interface Person {
  user: string
  uid: number
}

/** A range of subordinate uids: subuid(5). */
export interface UidRange {
  owner: string
  first: number
  count: number
}

/** `alice:100000:65536` or `1000:100000:65536`; lines that are not like that are passed over. */
export function parseSubordinate(text: string): UidRange[] {
  return text.split('\n').flatMap((line) => {
    const [, owner, first, count] = /^([^:#]+):(\d+):(\d+)\s*$/.exec(line) ?? []
    return owner === undefined ? [] : [{ owner, first: Number(first), count: Number(count) }]
  })
}

export function readSubordinate(): UidRange[] {
  try {
    return parseSubordinate(readFileSync('/etc/subuid', 'utf8'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

/**
 * The processes of a user, those with a subordinate uid among them.
 * @param ignored pids that do not count
 */
export function processesOf(
  person: Person,
  processes: Processes,
  ranges: readonly UidRange[],
  ignored: ReadonlySet<number> = new Set(),
): number[] {
  const own = ranges.filter(({ owner }) => owner === person.user || owner === `${person.uid}`)
  const isHis = (uid: number) =>
    uid === person.uid || own.some(({ first, count }) => uid >= first && uid < first + count)
  const pids = [...processes.pidsOf].flatMap(([uid, found]) => (isHis(uid) ? found : []))
  return [...new Set(pids)].filter((pid) => !ignored.has(pid))
}

/** Whether a session of his is registered whose leader lives. */
export function hasSession(person: Person): boolean {
  return liveSession(person) !== undefined
}

function liveSession({ uid }: Person) {
  return readRecords(uid).find((record) => record.ended === undefined && isLive(record))
}

/** Where the epilog of a job never came, a reap must not wait for it for ever. */
const JOB_MS = 7 * 86_400_000

/**
 * Why they must stay although nothing of his runs: a job of his has written to them, and is not over, as far as its epilog
 * tells. Null: there is none.
 */
export function whyForJobs({ uid }: Pick<Person, 'uid'>): string | null {
  const job = notedJobs(uid).find(({ ageMs }) => ageMs < JOB_MS)
  return job === undefined ? null : `has job ${job.id}, which has had a step here`
}

/**
 * Why a user's instances must stay, in words; null: he has nothing left.
 * @param names what his instances are called
 */
export function whyAlive(
  person: Person,
  names: readonly string[],
  processes: Processes,
  ranges: readonly UidRange[],
  ignored: ReadonlySet<number> = new Set(),
): string | null {
  const session = liveSession(person)
  if (session !== undefined && !ignored.has(session.leader.pid)) {
    return `has a session through ${session.service}, process ${session.leader.pid}`
  }
  const [pid, ...more] = processesOf(person, processes, ranges, ignored)
  if (pid !== undefined)
    return more.length === 0 ? `has process ${pid}` : `has ${more.length + 1} processes, ${pid} among them`
  for (const name of names) {
    const holder = holdersOf(name, processes).find((one) => !ignored.has(one))
    if (holder !== undefined) return `'${name}' is mounted in the namespace of process ${holder}`
  }
  return null
}
