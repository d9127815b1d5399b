/*
 * /var/lib/polyns/install.json: what install has done, and how it is taken back. Written before the first change and again
 * when all is done, so that an install that was killed is known by it. `polyns uninstall` does what stands there, backwards.
 */
import { readFileSync } from 'node:fs'
import { UnsafePathError } from '../sys/errors.js'
import type { Fd } from '../sys/fd.js'
import { LOCK, O, RESOLVE } from '../sys/flags.js'
import { flock, openat2 } from '../sys/path.js'
import { statx } from '../sys/stat.js'
import { makeDirectory, place, stateOf } from './files.js'

export const STATE_DIRECTORY = '/var/lib/polyns'
export const BACKUP_DIRECTORY = `${STATE_DIRECTORY}/backup`
/** Where the stacks are while they are tried. */
export const STAGE_DIRECTORY = `${STATE_DIRECTORY}/stage`
export const STATE_FILE = `${STATE_DIRECTORY}/install.json`

/** One thing that install does. Taking it back looks at what is there, so that it may be done again, and half. */
export type Action =
  /** Made; goes when it is empty. */
  | { kind: 'directory'; path: string }
  /** Written. `line`: all that was added, where it is a PAM stack. `backup`: a copy of what was there; null: nothing. */
  | { kind: 'file'; path: string; before: Before | null; after: string; line?: string; mode?: number }
  | { kind: 'link'; path: string; target: string }
  /** Enabled with systemctl, those that were not. */
  | { kind: 'units'; names: string[]; reload: boolean }
  /** Enabled as a script of init. */
  | { kind: 'init'; name: string; tool: 'update-rc.d' | 'rc-update' | 'chkconfig' }
  /** pam-auth-update has taken up the profile. */
  | { kind: 'profile'; name: string }
  /** The boot step has run. `parents`: instance parents that were not there. */
  | { kind: 'setup'; parents: string[] }

export interface Before {
  backup: string
  /** SHA-256 of its bytes. */
  hash: string
}

export interface InstallState {
  format: 1
  /** How many of the actions belong to installs that came to their end. */
  finished: number
  actions: Action[]
}

export const NOTHING: InstallState = { format: 1, finished: 0, actions: [] }

export const isFinished = ({ finished, actions }: InstallState) => finished === actions.length

/** @returns null: not installed by install. @throws {UnsafePathError} it is not root's alone, or damaged */
export function readState(): InstallState | null {
  const stat = stateOf(STATE_FILE)
  if (stat === null) return null
  if (!stat.isFile() || stat.uid !== 0 || (stat.mode & 0o022) !== 0)
    throw new UnsafePathError(STATE_FILE, 'others than root could have written it')
  const state = parse(readFileSync(STATE_FILE, 'utf8'))
  if (state !== null) return state
  const remedy = `the backups are in ${BACKUP_DIRECTORY}; take the lines with 'polyns pam' out of /etc/pam.d, then remove it`
  throw new UnsafePathError(STATE_FILE, `is damaged: ${remedy}`)
}

export function writeState(state: InstallState): void {
  place(STATE_FILE, `${JSON.stringify(state, null, 1)}\n`, { mode: 0o600 })
}

function parse(text: string): InstallState | null {
  try {
    const state = JSON.parse(text) as Partial<InstallState> | null
    const isOurs = state?.format === 1 && Number.isSafeInteger(state.finished) && Array.isArray(state.actions)
    return isOurs ? (state as InstallState) : null
  } catch {
    return null
  }
}

/**
 * Makes the directory and locks it, until disposed: two at once would each take the other's files for the machine's own.
 * @throws {UnsafePathError} it is not root's alone, or another install or uninstall is at work
 */
export function lockState(): Fd {
  makeDirectory(STATE_DIRECTORY, 0o700)
  const flags = O.O_DIRECTORY | O.O_NOFOLLOW
  const directory = openat2(null, STATE_DIRECTORY, flags, RESOLVE.RESOLVE_NO_SYMLINKS)
  const why = whyNotOurs(directory)
  if (why === null) return directory
  directory[Symbol.dispose]()
  throw new UnsafePathError(STATE_DIRECTORY, why)
}

function whyNotOurs(directory: Fd): string | null {
  const { uid, mode } = statx(directory)
  if (uid !== 0 || (mode & 0o022) !== 0) return 'others than root can write to it'
  const busy = 'another polyns install or uninstall is at work: wait for its end'
  if (!flock(directory, LOCK.LOCK_EX | LOCK.LOCK_NB)) return busy
  // An uninstall that has just ended took away the directory that was opened.
  return stateOf(STATE_DIRECTORY)?.ino === Number(statx(directory).ino) ? null : busy
}
