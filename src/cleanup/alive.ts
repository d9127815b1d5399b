/*
 * Whether a user is still there: decided by processes, not by counters. Any process with his uid in any of its four ids or in
 * his subordinate range, any registered session whose leader lives, any namespace that still has the instance mounted.
 */
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { type NotedJob, notedJobs } from '../session/jobs.js'
import { isLive, readRecords, type SessionRecord } from '../session/registry.js'
import { holdersOfEach } from './holders.js'
import type { Processes } from './processes.js'

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
  { pidsOf }: Pick<Processes, 'pidsOf'>,
  ranges: readonly UidRange[],
  ignored: ReadonlySet<number> = new Set(),
): number[] {
  const own = ranges.filter(({ owner }) => owner === person.user || owner === `${person.uid}`)
  const isHis = (uid: number) => own.some(({ first, count }) => uid >= first && uid < first + count)
  const subordinate = own.length === 0 ? [] : [...pidsOf].flatMap(([uid, pids]) => (isHis(uid) ? pids : []))
  const pids = new Set([...(pidsOf.get(person.uid) ?? []), ...subordinate])
  return [...pids].filter((pid) => !ignored.has(pid))
}

/** Whether a session of his is registered whose leader lives. */
export function hasSession({ uid }: Person): boolean {
  return readRecords(uid).some(isOpen)
}

const isOpen = (record: SessionRecord) => record.ended === undefined && isLive(record)

/** Where the epilog of a job never came, a reap must not wait for it for ever. */
const JOB_MS = 7 * 86_400_000

/**
 * Why they must stay although nothing of his runs: a job of his has written to them, and is not over, as far as its epilog
 * tells. Null: there is none.
 */
export function whyForJobs(
  { uid }: Pick<Person, 'uid'>,
  jobs: readonly NotedJob[] = notedJobs(uid),
): string | null {
  const job = jobs.find(({ ageMs }) => ageMs < JOB_MS)
  return job === undefined ? null : `has job ${job.id}, which has had a step here`
}

/**
 * One look at who is there, for questions about one user or about all: what is recorded, and what namespaces hold, is read once.
 */
export class Look {
  readonly #records: ReadonlyMap<number, readonly SessionRecord[]>
  readonly #jobs: ReadonlyMap<number, readonly NotedJob[]>
  readonly #ranges = groupBy(readSubordinate(), ({ owner }) => owner)
  #holders: ReadonlyMap<string, readonly number[]> | undefined

  /**
   * @param instances whose holders may be asked for: absolute paths
   * @param uid who alone will be asked about; without it everybody
   */
  constructor(
    private readonly processes: Processes,
    private readonly instances: readonly string[],
    uid?: number,
  ) {
    this.#records = groupBy(readRecords(uid), (record) => record.uid)
    this.#jobs = groupBy(notedJobs(uid), (job) => job.uid)
  }

  /**
   * Why a user's instances must stay, in words; null: he has nothing left.
   * @param instances the paths of his instances
   */
  whyAlive(
    person: Person,
    instances: readonly string[],
    ignored: ReadonlySet<number> = new Set(),
  ): string | null {
    const session = this.#records.get(person.uid)?.find(isOpen)
    if (session !== undefined && !ignored.has(session.leader.pid)) {
      return `has a session through ${session.service}, process ${session.leader.pid}`
    }
    const own = [person.user, `${person.uid}`].flatMap((owner) => this.#ranges.get(owner) ?? [])
    const [pid, ...more] = processesOf(person, this.processes, own, ignored)
    if (pid !== undefined)
      return more.length === 0 ? `has process ${pid}` : `has ${more.length + 1} processes, ${pid} among them`
    for (const instance of instances) {
      const holder = this.#holdersOf(instance).find((one) => !ignored.has(one))
      if (holder !== undefined)
        return `'${basename(instance)}' is mounted in the namespace of process ${holder}`
    }
    return null
  }

  /** See the function of that name. */
  whyForJobs(person: Person): string | null {
    return whyForJobs(person, this.#jobs.get(person.uid) ?? [])
  }

  #holdersOf(instance: string): readonly number[] {
    this.#holders ??= holdersOfEach(this.instances, this.processes)
    const holders = this.#holders.get(instance)
    if (holders === undefined) throw new Error(`nobody has looked who holds '${instance}'`)
    return holders
  }
}

function groupBy<K, T>(items: readonly T[], keyOf: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>()
  for (const item of items) {
    const group = groups.get(keyOf(item))
    if (group === undefined) groups.set(keyOf(item), [item])
    else group.push(item)
  }
  return groups
}
