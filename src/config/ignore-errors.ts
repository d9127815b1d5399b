/*
 * --ignore-config-error: lines that cannot be used are left out, and the others count. What such a line would have made
 * private is then not private, so that the last good configuration comes first where there is one.
 */
import { ConfigError } from '../sys/errors.js'
import { configForSession, type SessionConfig } from './last-good.js'
import { type LoadOptions, loadConfig } from './load.js'
import { errorsOf } from './problem.js'
import type { Config, Problem } from './types.js'

/**
 * As configForSession; where that refuses for what single lines say, the configuration without these lines, with
 * `usedLastGood` false and `brokenBecause` naming them.
 * @throws {ConfigError} a whole file cannot be used. {@link UnsafePathError}: others than root could change one
 */
export function configWithoutBadLines(
  options: LoadOptions & { lastGoodDirectory?: string | undefined },
): SessionConfig {
  try {
    return configForSession(options)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    const live = loadConfig(options)
    const brokenBecause = errorsOf(live)
    if (brokenBecause.some(({ line }) => line === 0)) throw error
    return { config: without(live, brokenBecause), usedLastGood: false, brokenBecause }
  }
}

function without(config: Config, bad: readonly Problem[]): Config {
  const isBad = ({ file, line }: { file: string; line: number }) =>
    bad.some((problem) => problem.file === file && problem.line === line)
  return {
    ...config,
    rules: config.rules.filter((rule) => !isBad(rule)),
    problems: config.problems.filter((problem) => !bad.includes(problem)),
  }
}
