/*
 * Running a command as a user in that user's private namespace: the same session as a login opens, of which this very
 * process is the application; then it becomes the user, and the command.
 */
import type { Config } from '../config/index.js'
import { contextLookup } from '../ns/context.js'
import { ownTarget } from '../ns/target.js'
import { ignoring } from '../sys/call.js'
import { SyscallError, UnsafePathError } from '../sys/errors.js'
import { keepOnExec } from '../sys/fd.js'
import { getgrouplist, getpwnam, type User } from '../sys/names.js'
import { fchdir } from '../sys/path.js'
import {
  execve,
  getOpenFilesLimit,
  resetSignal,
  setgroups,
  setOpenFilesLimit,
  setresgid,
  setresuid,
  unblockSignals,
} from '../sys/process.js'
import { type Outcome, openSession } from './open.js'
import { type Environment, type Request, whoIs } from './request.js'

const PATH = '/usr/local/bin:/usr/bin:/bin'
const ROOT_PATH = `/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`
// What Node sets to ignored, which execve hands on.
const IGNORED_SIGNALS = [13, 25] // SIGPIPE, SIGXFSZ

const OURSELVES = {
  type: 'open_session',
  service: 'polyns exec',
  ruser: null, // not a switch: a user without rules is to see the host, wherever root calls from
  tty: null,
  rhost: null,
  sessionClass: null,
} as const

export interface ExecOptions {
  user: string
  /** For scope=job. */
  job: string | undefined
  /** Empty: the user's login shell. */
  command: readonly string[]
  config: Config
  env: Environment
  /** Told what became of the session, before the command takes over. */
  opened: (outcome: Outcome) => void
}

/**
 * Does not return: this process becomes the command.
 * @throws as {@link openSession}; {@link SyscallError} ENOENT: there is no such command
 */
export function execInSession(options: ExecOptions): never {
  using target = ownTarget()
  const who = whoIs(options.user, target, options.env, options.job)
  const user = getpwnam(options.user)
  if (user === null) throw new UnsafePathError(`user '${options.user}'`, 'has just ceased to exist')
  const request: Request = { ...OURSELVES, who, requester: () => ({ uid: 0, gids: [0] }) }
  // No service has set an exec context here: what a login would get by the policy stands for it.
  const contextOf = contextLookup({ user: options.user, proc: target.proc, source: 'default' })
  const outcome = openSession(request, target, options.config, {
    view: 'own',
    plan: { contextOf },
    commit: (_target, cwd) => {
      if (cwd === null) process.chdir('/')
      else fchdir(cwd)
    },
  })
  options.opened(outcome)
  restoreInherited(options.env)
  become(user)
  return run(options.command, user, options.env)
}

/** What Node changed of what the command should inherit: signals, the limit on open files, and stdio's FD_CLOEXEC. */
function restoreInherited(from: Environment): void {
  for (const signal of IGNORED_SIGNALS) resetSignal(signal)
  unblockSignals() // the single executable blocks SIGUSR1, at which Node would open its debugger
  for (const fd of [0, 1, 2]) ignoring(['EBADF'], 'the caller had closed it', () => keepOnExec(fd))
  // The launcher tells what the limit was; a Node started by hand has what its parent has, mostly.
  const told = /^\d+$/.exec(from.POLYNS_NOFILE ?? '')?.[0]
  const soft = told === undefined ? getOpenFilesLimit(process.ppid).soft : BigInt(told)
  const { hard } = getOpenFilesLimit(0)
  if (soft < hard) setOpenFilesLimit(soft, hard)
}

function become(user: User): void {
  setgroups(getgrouplist(user.name, user.gid))
  setresgid(user.gid)
  setresuid(user.uid)
}

function run(command: readonly string[], user: User, from: Environment): never {
  const shell = user.shell || '/bin/sh'
  const path = user.uid === 0 ? ROOT_PATH : PATH
  const env = Object.entries({
    PATH: path,
    HOME: user.home,
    USER: user.name,
    LOGNAME: user.name,
    SHELL: shell,
    TERM: from.TERM,
    LANG: from.LANG,
  }).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`]))
  const [name] = command
  if (name === undefined) return execve(shell, [`-${shell.slice(shell.lastIndexOf('/') + 1)}`], env)
  return searchPath(name, path, (file) => execve(file, command, env))
}

/** As execvp(3): a name with a slash is a path, any other is looked for in PATH. */
function searchPath(name: string, path: string, run: (file: string) => never): never {
  if (name.includes('/')) return run(name)
  let refused: unknown
  for (const dir of path.split(':')) {
    try {
      return run(`${dir}/${name}`)
    } catch (error) {
      if (!(error instanceof SyscallError) || !['ENOENT', 'ENOTDIR', 'EACCES'].includes(error.code))
        throw error
      if (error.code === 'EACCES') refused = error
    }
  }
  throw refused ?? new UnsafePathError(name, `is not a command in ${path}`)
}
