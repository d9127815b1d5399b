/* polyns metrics: one look at the machine and the counters, for node_exporter's textfile collector. */
import { closeSync, fchmodSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { foldTally } from '../session/tally-fold.js'
import { escapeControls } from '../sys/call.js'
import { parseDuration } from './duration.js'
import type { Io } from './io.js'
import { lookAtMachine } from './list-look.js'
import { familiesOf } from './metrics-families.js'
import { renderMetrics } from './metrics-format.js'
import { requireRoot } from './root.js'

export interface MetricsFlags {
  output?: string
  budget: string
  config?: string
}

/**
 * What could not be looked at goes to stderr; the figures that are known are printed all the same.
 * @throws {UnsupportedError} not run by root. An errno error: `--output` cannot be written, and the old file is still there
 */
export function metrics({ output, budget, config }: MetricsFlags, version: string, io: Io): void {
  requireRoot('counting the sessions')
  // Looking at the machine changes the working directory.
  const [file, conf] = [output, config].map((path) => (path === undefined ? undefined : resolve(path)))
  const machine = lookAtMachine({ budgetMs: parseDuration('--budget', budget), config: conf })
  const { counters, complete, notKept } = foldTally()
  const notes = [...machine.notes, ...(notKept === null ? [] : [`the sums could not be kept: ${notKept}`])]
  for (const note of notes) io.err(`polyns metrics: ${escapeControls(note)}\n`)
  const text = renderMetrics(familiesOf({ version, machine, counters, isTallyComplete: complete }))
  if (file === undefined) io.out(text)
  else replaceReadable(file, text)
}

/** The collector reads it whenever it likes, as a user of its own: it sees the old file or the new one, never a part. */
function replaceReadable(file: string, text: string): void {
  const aside = join(dirname(file), `.${basename(file)}.${process.pid}`)
  rmSync(aside, { force: true }) // of a run that was killed
  try {
    const fd = openSync(aside, 'wx', 0o644)
    try {
      fchmodSync(fd, 0o644) // whatever the umask
      writeFileSync(fd, text)
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
    renameSync(aside, file)
  } catch (error) {
    rmSync(aside, { force: true })
    throw error
  }
}
