/*
 * Who logs in, through which service, in which job: from what pam_exec hands on, from the name service and from /proc.
 * Everything in PAM_* may be of an attacker's choosing, except that PAM has authenticated PAM_USER.
 */
import { readFileSync } from 'node:fs'
import type { Names } from '../config/index.js'
import type { Who } from '../ns/plan.js'
import type { Target } from '../ns/target.js'
import { jobIdOf } from '../slurm/job.js'
import { UnsafePathError, UsageError } from '../sys/errors.js'
import { getgrnam, getgrouplist, getpwnam, getpwuid, type User } from '../sys/names.js'

/** The machine's own name service. */
export const systemNames: Names = { userByName: getpwnam, groupByName: getgrnam }

export type Environment = Readonly<Record<string, string | undefined>>

export interface Request {
  type: 'open_session' | 'close_session'
  service: string
  /** PAM_RUSER: who asked, as su and sudo tell. */
  ruser: string | null
  tty: string | null
  rhost: string | null
  /** logind's word for what kind of session it is: user, greeter, lock-screen, manager. */
  sessionClass: string | null
  who: Who
  /** Who was there before, for su and sudo; looked up when asked for. */
  requester(): Requester
}

/** As far as user lists need it. */
export type Requester = Pick<Who, 'uid' | 'gids'>

/**
 * Reads the environment that pam_exec gives.
 * @throws {UsageError} it is not a session hook that calls. {@link UnsafePathError}: nobody by that name is known
 */
export function readRequest(env: Environment, target: Target): Request {
  const type = env.PAM_TYPE
  if (type !== 'open_session' && type !== 'close_session') {
    throw new UsageError(
      `PAM_TYPE is '${type ?? ''}': 'polyns pam' is called by pam_exec, in a line 'session required pam_exec.so ...'`,
    )
  }
  const name = env.PAM_USER ?? ''
  return {
    type,
    service: env.PAM_SERVICE ?? '',
    ruser: env.PAM_RUSER || null,
    tty: env.PAM_TTY || null,
    rhost: env.PAM_RHOST || null,
    sessionClass: env.XDG_SESSION_CLASS || null,
    who: whoIs(name, target, env),
    requester: () => requesterOf(env.PAM_RUSER || null, target),
  }
}

/**
 * PAM_RUSER, or the application's real user id where that names nobody here: rshd's is `bob@remote`, which must not refuse
 * the session.
 */
function requesterOf(ruser: string | null, target: Target): Requester {
  const user = (ruser === null ? null : getpwnam(ruser)) ?? getpwuid(realUid(target))
  if (user === null) return { uid: realUid(target), gids: [] }
  return { uid: user.uid, gids: getgrouplist(user.name, user.gid) }
}

function realUid(target: Target): number {
  // Not `^`, which takes a carriage return for the end of a line too: a caller of su chooses the name in the first one.
  const uid = /\nUid:\s+(\d+)/.exec(readFileSync(`${target.proc}/status`, 'utf8'))?.[1]
  if (uid === undefined) throw new UnsafePathError(`${target.proc}/status`, 'has no line Uid:')
  return Number(uid)
}

/** @throws {UnsafePathError} nobody by that name is known */
export function whoIs(name: string, target: Target, env: Environment, job?: string): Who {
  const user = lookUp(name)
  let gids: number[] | undefined
  let jobId: string | null | undefined = job
  return {
    user: name,
    uid: user.uid,
    gid: user.gid,
    home: user.home,
    sessionId: sessionIdOf(target, env),
    // Both are asked for only when a rule needs them: a group list can take a directory server seconds.
    get gids() {
      gids ??= getgrouplist(name, user.gid)
      return gids
    },
    get jobId() {
      if (jobId === undefined) jobId = jobIdOf(target.pid, env.SLURM_JOB_ID)
      return jobId
    },
  }
}

function lookUp(name: string): User {
  const user = name === '' ? null : getpwnam(name)
  if (user !== null) return user
  throw new UnsafePathError(`user '${name}'`, "is not known here; 'getent passwd' should list it")
}

const NO_AUDIT_SESSION = '4294967295'

/** The login's id: logind's, `c7`; else the kernel's audit session, `a7`; else one made of the leader, `p7_1234`. */
export function sessionIdOf(target: Pick<Target, 'pid' | 'startTime'>, env: Environment): string {
  const logind = env.XDG_SESSION_ID
  if (logind !== undefined && /^c?\d{1,20}$/.test(logind)) return logind
  const audit = auditSession(target.pid)
  return audit ?? `p${target.pid}_${target.startTime}`
}

function auditSession(pid: number): string | null {
  try {
    const id = readFileSync(`/proc/${pid}/sessionid`, 'utf8').trim()
    return id === '' || id === NO_AUDIT_SESSION ? null : `a${id}`
  } catch {
    return null // a kernel without audit
  }
}
