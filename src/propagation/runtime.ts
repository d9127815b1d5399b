/*
 * What /run/polyns holds is true until the next boot. Where /run outlives one, as in some containers, what is left of it
 * names processes and mounts that are gone, by numbers that others may have now.
 */
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { LAST_GOOD_DIRECTORY } from '../config/index.js'
import { MARK_DIRECTORY } from '../ns/marker.js'
import { ensureRunDirectories, LOCK_DIRECTORY, RUN_DIRECTORY, SESSIONS_DIRECTORY } from '../ns/rundir.js'
import { LOCK, O, RESOLVE } from '../sys/flags.js'
import { flock, openat2 } from '../sys/path.js'
import { replaceFile } from './record.js'
import { command, type Step } from './step.js'

const BOOT_ID = join(RUN_DIRECTORY, 'boot-id')

/** Differs from one boot to the next. */
export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
}

/**
 * Makes the directories.
 * @throws {UnsafePathError} one of them is not root's, or others can write to it
 */
export function makeDirectories(options: { dryRun: boolean }): Step {
  const directories = [SESSIONS_DIRECTORY, LOCK_DIRECTORY, MARK_DIRECTORY]
  const isThere = directories.every((directory) => existsSync(directory))
  if (!options.dryRun) ensureRunDirectories()
  // The last one is storeLastGood's to make.
  const names = [...directories, LAST_GOOD_DIRECTORY].map((directory) =>
    directory.slice(RUN_DIRECTORY.length + 1),
  )
  const line = command('mkdir', '-p', `${RUN_DIRECTORY}/{${names.join(',')}}`)
  return { outcome: isThere ? 'already' : options.dryRun ? 'would' : 'done', command: line, note: '' }
}

/** Drops what another boot than `id` has left. */
export function dropStale(id: string, options: { dryRun: boolean }): Step[] {
  // Without the file setup has not run yet: what sessions have left is of this boot.
  const known = existsSync(BOOT_ID) ? readFileSync(BOOT_ID, 'utf8').trim() : id
  const record = join(RUN_DIRECTORY, 'setup.json')
  if (!options.dryRun) {
    if (known !== id)
      for (const file of [...contents(SESSIONS_DIRECTORY), ...contents(LOCK_DIRECTORY), record]) remove(file)
    if (known !== id || !existsSync(BOOT_ID)) replaceFile(BOOT_ID, `${id}\n`)
  }
  if (known === id) return []
  const line = command('rm', '-rf', `${RUN_DIRECTORY}/{sessions,lock}/*`, record)
  return [{ outcome: options.dryRun ? 'would' : 'done', command: line, note: 'left by another boot' }]
}

/** Held until disposed: two runs at once would record only the changes of one. */
export function lockRuntime(): Disposable {
  const directory = openat2(null, RUN_DIRECTORY, O.O_DIRECTORY | O.O_NOFOLLOW, RESOLVE.RESOLVE_NO_SYMLINKS)
  flock(directory, LOCK.LOCK_EX)
  return directory
}

function contents(directory: string): string[] {
  return readdirSync(directory).map((name) => join(directory, name))
}

function remove(file: string): void {
  rmSync(file, { recursive: true, force: true })
}
