/*
 * What /run/polyns holds is true until the next boot. Where /run outlives one, as in some containers, what is left of it
 * names processes and mounts that are gone, by numbers that others may have now.
 */
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { LAST_GOOD_DIRECTORY } from '../config/index.js'
import { MARK_DIRECTORY } from '../ns/marker.js'
import {
  ensureRunDirectories,
  JOBS_DIRECTORY,
  LOCK_DIRECTORY,
  RUN_DIRECTORY,
  SESSIONS_DIRECTORY,
} from '../ns/rundir.js'
import { isAlive } from '../ns/target.js'
import { LOCK, O, RESOLVE } from '../sys/flags.js'
import { flock, openat2 } from '../sys/path.js'
import { asideOf, RECORD_NAME, replaceFile } from './record.js'
import { command, type Step } from './step.js'

const BOOT_ID = join(RUN_DIRECTORY, 'boot-id')
const RECORD = join(RUN_DIRECTORY, RECORD_NAME)

/**
 * Makes the directories.
 * @throws {UnsafePathError} one of them is not root's, or others can write to it
 */
export function makeDirectories(options: { dryRun: boolean }): Step[] {
  const open = [MARK_DIRECTORY]
  const closed = [SESSIONS_DIRECTORY, LOCK_DIRECTORY, JOBS_DIRECTORY, LAST_GOOD_DIRECTORY] // the last is storeLastGood's to make
  const steps = [open, closed].map((directories): Step => {
    const mode = directories === open ? '755' : '700'
    const outcome = directories.every((directory) => existsSync(directory)) ? 'already' : toDo(options)
    return { outcome, command: command('mkdir', '-p', '-m', mode, ...directories), note: '' }
  })
  if (!options.dryRun) ensureRunDirectories()
  return steps
}

/** Drops what another boot than `id` has left, and what a run that was killed has not finished. */
export function dropStale(id: string, options: { dryRun: boolean }): Step[] {
  // Without the file setup has not run yet: what sessions have left is of this boot.
  const known = existsSync(BOOT_ID) ? readFileSync(BOOT_ID, 'utf8').trim() : id
  if (!options.dryRun) {
    for (const file of [RECORD, BOOT_ID]) remove(asideOf(file))
    if (known !== id) {
      contents(SESSIONS_DIRECTORY)
        .filter((file) => !isLiveSession(file))
        .forEach(remove)
      contents(LOCK_DIRECTORY).forEach(removeLock)
      for (const directory of [JOBS_DIRECTORY, LAST_GOOD_DIRECTORY]) contents(directory).forEach(remove)
      remove(RECORD)
    }
    if (known !== id || !existsSync(BOOT_ID)) replaceFile(BOOT_ID, `${id}\n`)
  }
  if (known === id) return []
  const all = [SESSIONS_DIRECTORY, LOCK_DIRECTORY, JOBS_DIRECTORY, LAST_GOOD_DIRECTORY].map(
    (directory) => `${directory}/*`,
  )
  const line = ['rm -rf', ...all, RECORD].join(' ')
  return [{ outcome: toDo(options), command: line, note: 'left by another boot; what is in use stays' }]
}

/** Somebody may have logged in since the boot, before setup. A process of another boot has another start time. */
function isLiveSession(file: string): boolean {
  const [, pid, startTime] = /^\d+-(\d+)-(\d+)\.json$/.exec(basename(file)) ?? []
  return pid !== undefined && startTime !== undefined && isAlive(Number(pid), startTime)
}

/** Not one that a login holds at this moment: the next login would make another, and hold that. */
function removeLock(file: string): void {
  using lock = openat2(null, file, O.O_RDWR | O.O_NOFOLLOW, RESOLVE.RESOLVE_NO_SYMLINKS)
  if (flock(lock, LOCK.LOCK_EX | LOCK.LOCK_NB)) remove(file)
}

function toDo({ dryRun }: { dryRun: boolean }): 'would' | 'done' {
  return dryRun ? 'would' : 'done'
}

/** Held until disposed: two runs at once would record only the changes of one. */
export function lockRuntime(): Disposable {
  const directory = openat2(null, RUN_DIRECTORY, O.O_DIRECTORY | O.O_NOFOLLOW, RESOLVE.RESOLVE_NO_SYMLINKS)
  flock(directory, LOCK.LOCK_EX)
  return directory
}

function contents(directory: string): string[] {
  return !existsSync(directory) ? [] : readdirSync(directory).map((name) => join(directory, name))
}

function remove(file: string): void {
  rmSync(file, { recursive: true, force: true })
}
