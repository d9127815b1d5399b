/* polyns doctor: what is not in order on this host, why it matters, and the command that mends it. */
import { resolve } from 'node:path'
import { CHECKS } from '../doctor/checks/index.js'
import { type Examination, examine } from '../doctor/doctor.js'
import type { Severity } from '../doctor/finding.js'
import { Host } from '../doctor/host.js'
import { enterHost } from '../ns/enter.js'
import { systemNames } from '../session/request.js'
import { escapeControls } from '../sys/call.js'
import type { Io } from './io.js'
import { describeError, EXIT, exitStatusOf } from './report.js'
import { requireRoot } from './root.js'

export interface DoctorOptions {
  json: boolean
  /** Also what is in order. */
  all: boolean
  /** A warning counts as an error. */
  strict: boolean
  config?: string
}

/** @returns the exit status: 0 without an error, else that of the worst; with `strict` a warning is an error too */
export function doctor(options: DoctorOptions, io: Io): number {
  requireRoot('looking at what only root can see')
  const describe = (error: unknown) => describeError(error, { stack: false }).replace(/\n\s*/g, ', ')
  // Entering the host's namespace changes the working directory.
  const config = options.config === undefined ? undefined : resolve(options.config)
  const host = new Host(systemNames, config, whyNotOnHost(describe))
  const found = examine(CHECKS, host, describe)
  io.out(options.json ? `${JSON.stringify(toJson(found))}\n` : page(found, options.all, io.color))
  return found.status === 0 && options.strict && found.worst === 'warning' ? EXIT.failed : found.status
}

/** Enters the host's namespace. @returns why not, if that is not allowed: what the caller sees is then better than nothing */
function whyNotOnHost(describe: (error: unknown) => string): string | null {
  try {
    enterHost()
    return null
  } catch (error) {
    if (exitStatusOf(error) !== EXIT.unsupported) throw error
    return describe(error)
  }
}

function toJson({ worst, status, checks }: Examination) {
  return { ok: status === 0, worst, status, checks }
}

const COLOURS: Readonly<Record<Severity, string>> = { ok: '32', note: '36', warning: '33', error: '31' }

function page({ checks }: Examination, all: boolean, color: boolean): string {
  const paint = (severity: Severity, text: string) =>
    color ? `\x1b[${COLOURS[severity]}m${text}\x1b[0m` : text
  const lines: string[] = []
  const count: Record<Severity, number> = { ok: 0, note: 0, warning: 0, error: 0 }
  for (const { id, findings } of checks) {
    for (const { severity, saw, why, mend } of findings) {
      count[severity]++
      if (severity === 'ok' && !all) continue
      lines.push(`${paint(severity, severity.padEnd(7))}  ${id}: ${escapeControls(saw)}`)
      if (why !== '') lines.push(`         ${escapeControls(why)}`)
      for (const command of mend) lines.push(`         # ${escapeControls(command)}`)
    }
  }
  const many = (n: number, what: string) => `${n} ${what}${n === 1 ? '' : 's'}`
  lines.push(
    `${many(count.error, 'error')}, ${many(count.warning, 'warning')}, ${many(count.note, 'note')}, ${count.ok} in order`,
  )
  return `${lines.join('\n')}\n`
}
