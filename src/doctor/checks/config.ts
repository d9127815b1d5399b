/* What is wrong with the configuration, as `polyns check` says it, and whether sessions use an older one for that. */
import { errorsOf, loadConfig, type Problem, printable } from '../../config/index.js'
import { command } from '../../propagation/step.js'
import { ConfigError, UnsafePathError } from '../../sys/errors.js'
import { type Check, error, type Finding, ok, warning } from '../finding.js'
import type { Host } from '../host.js'

export const config: Check = {
  id: 'config',
  title: 'The configuration is in order',
  status: 3,
  run(host) {
    const live = loadConfig({ names: host.names, config: host.configFile })
    const broken = errorsOf(live).length > 0
    const fate = broken ? `${fateOf(host)}: correct it, then 'polyns check'` : ''
    const findings = live.problems.map((problem) => toFinding(problem, fate))
    if (broken) return findings
    if (live.rules.length === 0) {
      const why =
        "no directory is private, for anybody: write lines for /tmp and /dev/shm, then 'polyns check'"
      return [...findings, warning(`${live.files.join(', ')}: no line`, why)]
    }
    return [...findings, ok(`${live.files.join(', ')}: ${live.rules.length} lines`)]
  },
}

/** What sessions do with an error in it. */
function fateOf(host: Host): string {
  try {
    return host.session.usedLastGood
      ? 'sessions use the last good configuration, until the next boot'
      : 'sessions go on as before'
  } catch (thrown) {
    if (!(thrown instanceof ConfigError) && !(thrown instanceof UnsafePathError)) throw thrown
    return 'every session is refused, and no last good configuration is kept'
  }
}

function toFinding(problem: Problem, fate: string): Finding {
  const { file, line, column, severity, code, message, allowed } = problem
  const saw = `${printable(file)}${line === 0 ? '' : `:${line}:${column}`}: ${message}`
  const mend =
    code === 'unsafe-file' ? [command('chown', 'root:root', file), command('chmod', 'go-w', file)] : []
  const meant = allowed === null ? '' : `allowed: ${allowed}`
  if (severity === 'error') return error(saw, [fate, meant].filter((part) => part !== '').join('; '), ...mend)
  return warning(saw, meant === '' ? 'the line may not do what is meant' : meant, ...mend)
}
