/*
 * What a session reads, and what the linter reads when files are named. Both give a Config with all problems in
 * it; whoever needs a usable one asks requireUsable.
 */
import { resolve } from 'node:path'
import { type Candidate, chooseFile, DEFAULT_FILES, readSource, readWithDropIns } from './files.js'
import { parseConfig } from './parse.js'
import { Reporter } from './problem.js'
import type { Config, Mode, Names, Problem } from './types.js'

/** How a session's configuration is found. */
export interface LoadOptions {
  names: Names
  /** `--config FILE`: read strictly, in place of the default files. */
  config?: string | undefined
  /** Overrides the mode that belongs to the file. */
  mode?: Mode | undefined
  /** The uid that the files must belong to if not to root; for tests. */
  owner?: number | undefined
  /** The default files; for tests. */
  candidates?: readonly Candidate[] | undefined
}

const ROOT = 0

/**
 * Reads `--config FILE`, else the first default file that exists; then that directory's namespace.d/*.conf.
 * A file that is missing, unreadable or open to others is among the problems, as an error.
 */
export function loadConfig(options: LoadOptions): Config {
  const candidates = candidatesOf(options)
  const [named] = candidates
  const isNamed = options.config !== undefined && named !== undefined
  const { chosen, absent } = isNamed ? { chosen: named, absent: [] } : chooseFile(candidates)
  const problems: Problem[] = []
  if (chosen === null) {
    const mode = options.mode ?? 'strict'
    const reporter = new Reporter(mode, { file: named?.file ?? '', line: 0, text: null }, problems)
    const searched = candidates.map(({ file }) => file).join(' and ')
    reporter.report('no-config', 0, `there is no configuration; looked for ${searched}`)
    return { files: [], mode, rules: [], problems, absent }
  }
  const mode = options.mode ?? chosen.mode
  const ownership = { uid: options.owner ?? ROOT, severity: 'error' } as const
  const sources = readWithDropIns(chosen.file, { mode, ownership, problems })
  const parsed = parseConfig(sources, { mode, names: options.names })
  return {
    // The main file also when it could not be read: it is what this is the configuration of.
    files: [...new Set([chosen.file, ...sources.map(({ file }) => file)])],
    mode,
    rules: parsed.rules,
    problems: [...problems, ...parsed.problems],
    absent,
  }
}

/**
 * Reads one file by itself, without drop-ins, as the linter does.
 * @param options `owner`: whose files are no cause for a warning, besides root's
 */
export function loadNamed(file: string, options: { names: Names; mode: Mode; owner: number }): Config {
  const { mode, names, owner } = options
  const problems: Problem[] = []
  const source = readSource(file, { mode, ownership: { uid: owner, severity: 'warning' }, problems })
  const parsed = parseConfig(source === null ? [] : [source], { mode, names })
  return { files: [file], mode, rules: parsed.rules, problems: [...problems, ...parsed.problems] }
}

/** Where this configuration can be, with absolute paths. */
function candidatesOf(options: LoadOptions): readonly Candidate[] {
  if (options.config !== undefined) return [{ file: resolve(options.config), mode: 'strict' }]
  return options.candidates ?? DEFAULT_FILES
}
