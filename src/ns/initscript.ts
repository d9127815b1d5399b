/*
 * The script that fills an instance, with pam_namespace's contract: six arguments, an empty environment, root. What differs:
 * its exit status counts, it has a time limit, and it must belong to root.
 */

import { ignoring } from '../sys/call.js'
import { ScriptError, UnsafePathError } from '../sys/errors.js'
import { O, RESOLVE } from '../sys/flags.js'
import { childProcess } from '../sys/lazy.js'
import { openat2 } from '../sys/path.js'
import { statx } from '../sys/stat.js'
import { octal } from './instance.js'
import { isFixedPath } from './safepath.js'

const TIMEOUT_MS = 30_000

export interface ScriptCall {
  path: string
  /** False: a script that is not there is no error. */
  required: boolean
  polydir: string
  /** Absolute path, or the word `tmpfs`. */
  instance: string
  created: boolean
  user: string
}

/**
 * Runs it in this thread's namespace.
 * @throws {UnsafePathError} somebody other than root could have written it
 * @throws {ScriptError} it failed, was killed or took longer than 30 s
 */
export function runInitScript(call: ScriptCall): void {
  if (!isThere(call)) return
  const { path, polydir, instance, created, user } = call
  // The last two say whether both paths are safe to act on as root. Asked in here: where /tmp is covered, the path of an
  // instance below it leads into the user's own directory, and there to wherever he likes.
  const argv = [
    polydir,
    instance,
    created ? '1' : '0',
    user,
    flag(isFixedPath(polydir)),
    flag(isSafe(instance)),
  ]
  const { status, signal, error } = childProcess().spawnSync(path, argv, {
    cwd: '/',
    env: {},
    stdio: 'ignore',
    timeout: TIMEOUT_MS,
    killSignal: 'SIGKILL',
  })
  if (status === 0) return
  const how =
    signal === 'SIGKILL' && error !== undefined
      ? `took longer than ${TIMEOUT_MS / 1000} s and was killed`
      : signal !== null
        ? `was killed by ${signal}`
        : error !== undefined
          ? `could not be started: ${error.message}`
          : `failed with status ${status}`
  throw new ScriptError(`init script '${path}' for '${polydir}' ${how}`)
}

const flag = (is: boolean) => (is ? '1' : '0')
const isSafe = (instance: string) => instance !== 'tmpfs' && isFixedPath(instance)

/**
 * Whether there is a script to run.
 * @throws {UnsafePathError} others than root could have written it, or it cannot be run
 * @throws {SyscallError} ENOENT: a required one is missing
 */
export function isThere({ path, required }: Pick<ScriptCall, 'path' | 'required'>): boolean {
  const open = () => openat2(null, path, O.O_PATH, RESOLVE.RESOLVE_NO_MAGICLINKS)
  const file = required ? open() : ignoring(['ENOENT', 'ENOTDIR'], 'an init script is optional', open)
  if (file === undefined) return false
  using script = file
  const { type, uid, mode } = statx(script)
  if (type !== 'file') throw new UnsafePathError(path, `is the init script, but a ${type}`)
  if (uid !== 0 || (mode & 0o022) !== 0) {
    throw new UnsafePathError(
      path,
      `is the init script, but others than root can write it (uid ${uid}, mode ${octal(mode)})`,
    )
  }
  if ((mode & 0o111) === 0)
    throw new UnsafePathError(path, 'is the init script, but not executable; chmod 755 it')
  return true
}
