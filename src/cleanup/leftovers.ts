/* What a user has left running when his last job is over: his systemd manager, which may be stopped, and all else. */
import { readFileSync } from 'node:fs'
import { jobIdOf } from '../slurm/job.js'
import { ignoring } from '../sys/call.js'
import { childProcess } from '../sys/lazy.js'
import { pidfdOpen, pidfdSendSignal } from '../sys/process.js'
import { waitFor } from '../sys/sleep.js'
import { hasSession, type Person, processesOf, readSubordinate } from './alive.js'
import { type Processes, parseUids, scanProcesses } from './processes.js'

const STOP_MS = 10_000
const TERM_MS = 5000
const KILL_MS = 2000
const POLL_MS = 20
const [SIGTERM, SIGKILL] = [15, 9]

/** The processes below `user@UID.service`: a lingering manager and what it runs. */
export function managerProcesses({ uid }: Person, processes: Processes): Set<number> {
  const unit = new RegExp(`:/(?:.*/)?user@${uid}\\.service(?:/|$)`, 'm')
  return new Set((processes.pidsOf.get(uid) ?? []).filter((pid) => unit.test(read(`/proc/${pid}/cgroup`))))
}

/** Stops the user's systemd manager, and waits for its end; where there is no systemd there is none. */
export function stopManager({ uid }: Person): void {
  const options = { stdio: 'ignore', timeout: STOP_MS, env: { PATH: '/usr/bin:/bin' } } as const
  childProcess().spawnSync('systemctl', ['stop', `user@${uid}.service`], options)
}

/**
 * Ends the user's processes, SIGTERM and 5 s later SIGKILL, each by a pidfd. Not while he has a session or a job here: then
 * they may belong to that.
 * @returns the pids that were signalled
 */
export function endProcesses(person: Person): number[] {
  const first = endable(person)
  signalAll(person, first, SIGTERM)
  const ended = new Set(first)
  if (first.length === 0 || waitFor(TERM_MS, POLL_MS, () => endable(person).length === 0)) return first
  // What they start while they are ended has to go too.
  waitFor(KILL_MS, POLL_MS, () => {
    const rest = endable(person)
    for (const pid of rest) ended.add(pid)
    signalAll(person, rest, SIGKILL)
    return rest.length === 0
  })
  return [...ended]
}

/** The user's processes; none as soon as a session or a job of his is among what they could belong to. */
function endable(person: Person): number[] {
  if (hasSession(person)) return []
  const pids = processesOf(person, scanProcesses(), readSubordinate())
  return pids.some((pid) => jobIdOf(pid, undefined) !== null) ? [] : pids
}

function signalAll(person: Person, pids: readonly number[], signal: number): void {
  for (const pid of pids) {
    ignoring(['ESRCH'], 'it has ended', () => {
      using pidfd = pidfdOpen(pid)
      // Asked after the pidfd is held: the number may have passed to another process since the scan.
      if (isHis(person, pid)) pidfdSendSignal(pidfd, signal)
    })
  }
}

function isHis(person: Person, pid: number): boolean {
  const uids = parseUids(Buffer.from(read(`/proc/${pid}/status`)))
  const own = { pidsOf: new Map([...uids].map((uid) => [uid, [pid]])), namespaces: new Map() }
  return processesOf(person, own, readSubordinate()).length > 0
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
