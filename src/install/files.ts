/*
 * Files put in place whole: written aside in the same directory, synced, renamed. A kill at any point leaves the old file or
 * the new one. What is aside has a name that libpam, systemd and run-parts do not look at.
 */
import { createHash } from 'node:crypto'
import {
  accessSync,
  closeSync,
  constants,
  fchmodSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { octal } from '../ns/instance.js'
import { ifThere, ScriptError } from '../sys/errors.js'
import { childProcess } from '../sys/lazy.js'
import { statx } from '../sys/stat.js'

/** The text of a file; null: there is none. @throws another errno */
export function readText(path: string): string | null {
  return ifThere(() => readFileSync(path, 'utf8'))
}

export function stateOf(path: string): Stats | null {
  return ifThere(() => lstatSync(path))
}

export function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

export function asideOf(path: string): string {
  return join(dirname(path), `.${basename(path)}.polyns-new`)
}

/** Replaces `path`. With `like`, owner, mode, ACL and security label are that file's. */
export function place(
  path: string,
  text: string,
  { like, mode = 0o644 }: { like?: string; mode?: number },
): void {
  const aside = asideOf(path)
  rmSync(aside, { force: true }) // of a run that was killed
  if (like !== undefined) copyWhole(like, aside)
  // Truncated and written, the copy keeps what belongs to it besides its bytes.
  const fd = openSync(aside, like === undefined ? 'wx' : 'w', mode)
  try {
    if (like === undefined) fchmodSync(fd, mode)
    writeFileSync(fd, text)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
  exchange(aside, path)
}

/** Gives `path` the bytes, owner, mode, times and attributes of `backup`. */
export function putBack(path: string, backup: string): void {
  const aside = asideOf(path)
  rmSync(aside, { force: true })
  copyWhole(backup, aside)
  sync(aside)
  exchange(aside, path)
}

/** With owner, mode, times to the nanosecond, ACL, extended attributes and security label: cp knows them all. */
export function copyWhole(from: string, to: string): void {
  run('cp', '-a', '--', from, to)
}

function exchange(aside: string, path: string): void {
  renameSync(aside, path)
  sync(dirname(path))
}

export function sync(path: string): void {
  const fd = openSync(path, constants.O_RDONLY)
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** Makes a directory and those above it. @returns those that were not there, the outermost first */
export function missingDirectories(path: string): string[] {
  return stateOf(path) !== null || path === '/' ? [] : [...missingDirectories(dirname(path)), path]
}

export function makeDirectory(path: string, mode = 0o755): void {
  mkdirSync(path, { recursive: true, mode })
}

const PATH = '/usr/sbin:/usr/bin:/sbin:/bin'

/** Runs a command. @throws {ScriptError} with what it said */
export function run(...words: [string, ...string[]]): string {
  const { status, stdout, said } = attempt(...words)
  if (status !== 0) throw new ScriptError(`'${words.join(' ')}' failed: ${said}`)
  return stdout
}

/** Runs a command, whatever becomes of it. */
export function attempt(...words: [string, ...string[]]): {
  status: number | null
  stdout: string
  said: string
} {
  const [program, ...args] = words
  const { status, stdout, stderr, error } = childProcess().spawnSync(program, args, {
    cwd: '/',
    env: { PATH, LANG: 'C.UTF-8', DEBIAN_FRONTEND: 'noninteractive' },
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 120_000,
  })
  const said = error?.message ?? ((stderr ?? '').trim().split('\n').at(-1) || `status ${status}`)
  return { status, stdout: stdout ?? '', said }
}

/** Whether there is such a command. */
export function has(program: string): boolean {
  return PATH.split(':').some((directory) => stateOf(`${directory}/${program}`) !== null)
}

/** Why a file is not to be replaced; null: it may be. */
export function whyNotReplace(path: string): string | null {
  const stat = stateOf(path)
  if (stat === null) return null
  if (stat.isSymbolicLink()) return whyNotLink(path)
  if (!stat.isFile()) return 'is no regular file'
  const open = whyOpen(path)
  if (open !== null) return open
  if (stat.nlink > 1) return `has ${stat.nlink} names (hard links), and would be replaced under this one only`
  if (statx(null, path).mountId !== statx(null, dirname(path)).mountId)
    return 'is a mount point and cannot be replaced'
  try {
    accessSync(path, constants.W_OK)
    closeSync(openSync(path, 'r+'))
    return null
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? ''
    const how = code === 'EPERM' ? `: it is immutable; 'chattr -i ${path}' if that is not meant` : ''
    return `cannot be written to (${code})${how}`
  }
}

/** Why what `path` leads to is not root's alone; null: it is. */
export function whyOpen(path: string): string | null {
  const { uid, mode } = statSync(path)
  if (uid !== 0) return `belongs to uid ${uid}, not to root`
  return (mode & 0o022) !== 0 ? `can be written by others (mode ${octal(mode & 0o7777)})` : null
}

function whyNotLink(path: string): string {
  let real: string
  try {
    real = realpathSync.native(path)
  } catch {
    return 'is a symbolic link that leads nowhere'
  }
  if (real.startsWith('/etc/authselect/')) {
    return `is authselect's (${real}), which would write it anew: put the line into a custom profile, docs/install.md says how`
  }
  return `is a symbolic link to ${real}; make it a file, or name the service that this is the file of`
}
