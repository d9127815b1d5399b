/*
 * The last configuration that was found to be good, for sessions that find the present one broken.
 *
 * Kept are the rules, not the text: names are resolved in them, so that they can be used also when the name
 * service is what is broken. /run is empty after a boot, so nothing outlives the machine that it was made for.
 * Only root can write there; a file that anybody else could have written is treated as absent.
 */
import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { vanished } from './files.js'
import { type LoadOptions, loadConfig } from './load.js'
import { errorsOf, requireUsable } from './problem.js'
import { KEPT_FORMAT, parseKept } from './shape.js'
import type { Config, Mode, Problem } from './types.js'

/** Where {@link storeLastGood} keeps what it is given. */
export const LAST_GOOD_DIRECTORY = '/run/polyns/last-good'

/** What a session is to use. */
export interface SessionConfig {
  config: Config
  /** True: say so at LOG_ALERT, with `brokenBecause`. */
  usedLastGood: boolean
  /** The errors of the present configuration; empty when it is used. */
  brokenBecause: Problem[]
}

/**
 * The present configuration, or the last good one in its place when it has an error, or when a file of that one is not there: an
 * editor may just be writing it anew, and without it everybody would share what was private.
 * @throws {ConfigError} the first error, when there is no last good one. {@link UnsafePathError} when that error
 * is about who could change a file.
 */
export function configForSession(
  options: LoadOptions & { lastGoodDirectory?: string | undefined },
): SessionConfig {
  const live = loadConfig(options)
  const errors = errorsOf(live)
  const [main] = live.files
  const { mode, absent = [] } = live
  const present = main === undefined ? [] : [{ file: main, mode }]
  for (const place of [...absent, ...present]) {
    const directory = options.lastGoodDirectory ?? LAST_GOOD_DIRECTORY
    const kept = readLastGood(place.file, options.mode ?? place.mode, {
      directory,
      owner: options.owner ?? 0,
    })
    if (kept === null) continue
    const gone = place.file === main ? kept.files.filter((file) => !live.files.includes(file)) : [place.file]
    const brokenBecause = errors.length > 0 ? errors : gone.map(vanished)
    if (brokenBecause.length > 0) return { config: kept, usedLastGood: true, brokenBecause }
  }
  requireUsable(live)
  return { config: live, usedLastGood: false, brokenBecause: [] }
}

/**
 * Keeps a configuration for the day when its files are broken. Written aside, synced and renamed, so that a
 * crash leaves the old one or the new one. The directory is made when it is missing. What was kept of files that
 * would come first and are not there is forgotten: who had this one checked, means it.
 * @throws {ConfigError} when `config` has errors; an errno error when it cannot be written.
 */
export function storeLastGood(config: Config, directory: string = LAST_GOOD_DIRECTORY): void {
  requireUsable(config)
  const [main] = config.files
  if (main === undefined) return
  mkdirSync(dirname(directory), { recursive: true, mode: 0o755 })
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  chmodSync(directory, 0o700)
  const target = join(directory, nameFor(main, config.mode))
  const aside = `${target}.${process.pid}.${process.hrtime.bigint()}`
  const { files, mode, rules } = config
  try {
    writeThrough(aside, JSON.stringify({ format: KEPT_FORMAT, files, mode, rules }))
    renameSync(aside, target)
  } catch (error) {
    rmSync(aside, { force: true })
    throw error
  }
  for (const { file, mode } of config.absent ?? [])
    rmSync(join(directory, nameFor(file, mode)), { force: true })
  syncDirectory(directory)
}

/** @returns null when nothing was kept for this file in this mode, or what was kept cannot be trusted. */
function readLastGood(main: string, mode: Mode, from: { directory: string; owner: number }): Config | null {
  const text = readTrusted(join(from.directory, nameFor(main, mode)), from.owner)
  const kept = text === null ? null : parseKept(text)
  // The file's name is only a hint, see nameFor; what counts is what it says of itself.
  if (kept === null || kept.mode !== mode || kept.files[0] !== main) return null
  return { ...kept, problems: [] }
}

/** One name for one main file and mode. The content names the file too, so a cut name cannot mix two up. */
function nameFor(main: string, mode: Mode): string {
  return `${encodeURIComponent(main).slice(-200)}.${mode}.json`
}

function readTrusted(file: string, owner: number): string | null {
  let fd: number | null = null
  try {
    fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    const stat = fstatSync(fd)
    const isTrusted = stat.isFile() && stat.uid === owner && (stat.mode & 0o077) === 0
    return isTrusted ? readFileSync(fd, 'utf8') : null
  } catch {
    // Whatever keeps it from being read, the session is refused with the errors of the live configuration.
    return null
  } finally {
    if (fd !== null) closeSync(fd)
  }
}

function writeThrough(file: string, text: string) {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW
  const fd = openSync(file, flags, 0o600)
  try {
    fchmodSync(fd, 0o600)
    writeFileSync(fd, text)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

function syncDirectory(directory: string) {
  const fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
