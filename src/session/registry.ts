/*
 * The sessions there are: one file each in /run/polyns/sessions, UID-PID-STARTTIME.json by its leader. A record says what was
 * set up; whether the session still lives is asked of the process it names, never of the file.
 */
import { existsSync, readdirSync, readFileSync, renameSync, unlinkSync, writeFileSync } from 'node:fs'
import type { SessionMount } from '../ns/build.js'
import type { Leader } from '../ns/join.js'
import { SESSIONS_DIRECTORY } from '../ns/rundir.js'
import { isAlive } from '../ns/target.js'
import { quote, syscallError } from '../sys/call.js'

export interface SessionRecord {
  version: 1
  /** XDG session id, else audit session id, else one of our own. */
  id: string
  user: string
  uid: number
  service: string
  tty: string | null
  rhost: string | null
  job: string | null
  /** The process that the session was opened for, and whose namespace the others join. */
  leader: Leader
  /** Which namespace: ns/join.ts, identityOf. */
  namespace: string
  /** ns/plan.ts, planKey. */
  plan: string
  /** Whether another session with the same plan may join. */
  joinable: boolean
  mounts: SessionMount[]
  /** ISO 8601 */
  opened: string
  /** When it was closed. The record stays until a directory of the session's own is gone. */
  ended?: string
}

/** Writes a record, whole or not at all. @throws {SyscallError} ENOSPC, EROFS: the session cannot be opened then */
export function writeRecord(record: SessionRecord): void {
  const path = pathOf(record)
  const aside = `${SESSIONS_DIRECTORY}/.${process.pid}`
  try {
    // Not exclusively: a helper that was killed here has left its file, and pids come again.
    writeFileSync(aside, JSON.stringify(record), { mode: 0o600 })
    renameSync(aside, path)
  } catch (error) {
    try {
      removeFile(aside)
    } catch {
      // On a read-only /run: there is none.
    }
    throw asSyscallError(error, path)
  }
}

/** Removes what helpers that were killed while they wrote have left. */
export function removeUnfinishedRecords(): void {
  for (const name of readdirSync(SESSIONS_DIRECTORY)) {
    const [, writer] = /^\.(\d+)$/.exec(name) ?? []
    if (writer !== undefined && !existsSync(`/proc/${writer}`)) removeFile(`${SESSIONS_DIRECTORY}/${name}`)
  }
}

export function removeRecord(record: Pick<SessionRecord, 'uid' | 'leader'>): void {
  removeFile(pathOf(record))
}

/** The records of one user, or of all; those whose leader has ended are among them. */
export function readRecords(uid?: number): SessionRecord[] {
  return names()
    .filter((name) => uid === undefined || name.startsWith(`${uid}-`))
    .flatMap((name) => readRecord(`${SESSIONS_DIRECTORY}/${name}`) ?? [])
}

/** The record of the session that this process leads, whoever its user is. */
export function recordOfLeader(pid: number, startTime: string): SessionRecord | null {
  const name = names().find((candidate) => candidate.endsWith(`-${pid}-${startTime}.json`))
  return name === undefined ? null : readRecord(`${SESSIONS_DIRECTORY}/${name}`)
}

export function isLive(record: SessionRecord): boolean {
  return isAlive(record.leader.pid, record.leader.startTime)
}

function pathOf({ uid, leader }: Pick<SessionRecord, 'uid' | 'leader'>): string {
  return `${SESSIONS_DIRECTORY}/${uid}-${leader.pid}-${leader.startTime}.json`
}

function names(): string[] {
  try {
    return readdirSync(SESSIONS_DIRECTORY).filter((name) => /^\d+-\d+-\d+\.json$/.test(name))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [] // nothing was ever opened
    throw error
  }
}

/** A record that is gone meanwhile, or cannot be understood, is as good as none: a session is built anew then. */
function readRecord(path: string): SessionRecord | null {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'))
    return isRecord(value) ? value : null
  } catch {
    return null
  }
}

function isRecord(value: unknown): value is SessionRecord {
  const r = value as Partial<SessionRecord> | null
  return (
    typeof r === 'object' &&
    r !== null &&
    r.version === 1 &&
    Number.isSafeInteger(r.uid) &&
    [r.id, r.user, r.service, r.opened].every((text) => typeof text === 'string') &&
    [r.tty, r.rhost, r.job].every((text) => text === null || typeof text === 'string') &&
    (r.ended === undefined || typeof r.ended === 'string') &&
    typeof r.namespace === 'string' &&
    typeof r.plan === 'string' &&
    typeof r.joinable === 'boolean' &&
    typeof r.leader?.pid === 'number' &&
    typeof r.leader.tid === 'number' &&
    /^\d+$/.test(`${r.leader.startTime}`) &&
    Array.isArray(r.mounts) &&
    r.mounts.every(isMount)
  )
}

function isMount(value: unknown): value is SessionMount {
  const m = value as Partial<SessionMount> | null
  return (
    typeof m === 'object' &&
    m !== null &&
    typeof m.polydir === 'string' &&
    (m.instance === null || typeof m.instance === 'string') &&
    typeof m.dev === 'string' &&
    /^\d+$/.test(`${m.ino}`) &&
    typeof m.fresh === 'boolean'
  )
}

/** Node's error of a failed write(2) does not say which file it was. */
function asSyscallError(error: unknown, path: string): unknown {
  const { code, errno, syscall } = error as NodeJS.ErrnoException
  if (code === undefined || errno === undefined || syscall === undefined) return error
  return syscallError(-errno, { syscall, show: () => quote(path), path })
}

function removeFile(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}
