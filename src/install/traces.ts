/* What sessions and the boot step leave in the file system: taken away where it was not there before. */
import { readdirSync, rmSync } from 'node:fs'
import { RUN_DIRECTORY } from '../ns/rundir.js'
import { command, type Step } from '../propagation/step.js'
import { isLive, readRecords } from '../session/registry.js'
import { asideOf, stateOf } from './files.js'
import { type RevertOptions, removeEmpty, step } from './revert.js'
import { BACKUP_DIRECTORY, STAGE_DIRECTORY, STATE_DIRECTORY, STATE_FILE } from './state.js'

/** Instances and their parents go when they are empty: in one that is not are files of a user's. */
export function removeDirectories(paths: readonly string[], options: RevertOptions): Step[] {
  return paths.flatMap((path) => {
    const steps = removeEmpty(path, options)
    return steps.map((one) => (one.outcome === 'skipped' ? { ...one, note: whatIsIn(path, one.note) } : one))
  })
}

function whatIsIn(path: string, note: string): string {
  try {
    const names = readdirSync(path)
    return names.length === 0
      ? note
      : `users' files are in ${names.map((name) => `${path}/${name}`).join(' ')}`
  } catch {
    return note
  }
}

/** Not while sessions live: their namespaces have a mount on it, by which polyns would know them again. */
export function removeRun({ dryRun }: RevertOptions): Step[] {
  if (stateOf(RUN_DIRECTORY) === null) return []
  const line = command('rm', '-r', RUN_DIRECTORY)
  const live = readRecords().filter(isLive).length
  if (live > 0) return [step('skipped', line, `${live} sessions are open; it goes with the next boot`)]
  if (!dryRun) rmSync(RUN_DIRECTORY, { recursive: true, force: true })
  return [step(dryRun ? 'would' : 'done', line, '')]
}

/** Those of `paths` that are not there now. */
export function absent(paths: readonly string[]): string[] {
  return paths.filter((path) => stateOf(path) === null)
}

/** Last of all: without it nothing can be taken back. */
export function removeState({ dryRun }: RevertOptions): Step[] {
  const line = command('rm', '-r', STATE_DIRECTORY)
  if (stateOf(STATE_DIRECTORY) === null) return []
  if (dryRun) return [step('would', line, '')]
  forgetState()
  const [removed] = removeEmpty(STATE_DIRECTORY, { dryRun, purge: false })
  return removed === undefined ? [] : [{ ...removed, command: line }]
}

/** The directory stays, which is the lock. */
export function forgetState(): void {
  for (const path of [asideOf(STATE_FILE), STATE_FILE, BACKUP_DIRECTORY, STAGE_DIRECTORY])
    rmSync(path, { recursive: true, force: true })
}
