/*
 * Which SLURM jobs of a user have had a session here. Between two of its steps a job may have no process on the node, and what
 * it has written must stay: only its epilog knows that it is over. One file for each in /run/polyns/jobs, UID-JOB, which
 * says when the last session was opened, in milliseconds since the boot.
 */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { JOBS_DIRECTORY } from '../ns/rundir.js'
import { sinceBootMs } from '../sys/clock.js'

export interface NotedJob {
  uid: number
  id: string
  /** Since its last session was opened. */
  ageMs: number
}

/** @throws {Error} ENOSPC: the session cannot be opened then, as with its record */
export function noteJob(uid: number, job: string): void {
  writeFileSync(pathOf(uid, job), `${Math.floor(sinceBootMs())}\n`, { mode: 0o600 })
}

/** The job is over. */
export function forgetJob(uid: number, job: string): void {
  rmSync(pathOf(uid, job), { force: true })
}

/** The jobs of a user, or of all, that have had a session here, and no epilog yet. */
export function notedJobs(uid?: number): NotedJob[] {
  return names()
    .filter((name) => uid === undefined || name.startsWith(`${uid}-`))
    .map((name) => {
      const [owner, id = ''] = name.split('-')
      return { uid: Number(owner), id, ageMs: sinceBootMs() - lastOpened(name) }
    })
}

function pathOf(uid: number, job: string): string {
  return `${JOBS_DIRECTORY}/${uid}-${job}`
}

function names(): string[] {
  try {
    return readdirSync(JOBS_DIRECTORY).filter((name) => /^\d+-\d+$/.test(name))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [] // no session of any job was ever opened
    throw error
  }
}

/** One that is empty, since /run was full when it was written, counts as just opened. */
function lastOpened(name: string): number {
  try {
    return Number.parseInt(readFileSync(`${JOBS_DIRECTORY}/${name}`, 'utf8'), 10) || sinceBootMs()
  } catch {
    return sinceBootMs()
  }
}
