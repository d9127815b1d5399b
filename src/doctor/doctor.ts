/* Runs the checks, each whatever became of the others, and tells how bad the worst finding is. */
import type { Check, Finding, Severity } from './finding.js'
import type { Host } from './host.js'

export interface Examined {
  id: string
  title: string
  findings: readonly Finding[]
}

export interface Examination {
  /** Checks that concern this machine. */
  checks: readonly Examined[]
  worst: Severity
  /** The exit status: that of the worst error's check; without an error 0. */
  status: number
}

const RANK: readonly Severity[] = ['ok', 'note', 'warning', 'error']

/** @param describe what an error says to people */
export function examine(
  checks: readonly Check[],
  host: Host,
  describe: (error: unknown) => string,
): Examination {
  const results = checks.map((check) => ({ check, findings: findingsOf(check, host, describe) }))
  const severities = results.flatMap(({ findings }) => findings.map(({ severity }) => severity))
  const failed = results.filter(({ findings }) => findings.some(({ severity }) => severity === 'error'))
  return {
    checks: results
      .filter(({ findings }) => findings.length > 0)
      .map(({ check: { id, title }, findings }) => ({ id, title, findings })),
    worst: severities.reduce((worst, one) => (RANK.indexOf(one) > RANK.indexOf(worst) ? one : worst), 'ok'),
    status: Math.max(0, ...failed.map(({ check }) => check.status)),
  }
}

function findingsOf(check: Check, host: Host, describe: (error: unknown) => string): Finding[] {
  try {
    return check.run(host)
  } catch (error) {
    const why = 'what cannot be looked at cannot be said to be in order'
    return [{ severity: 'error', saw: `could not look: ${describe(error)}`, why, mend: [] }]
  }
}
