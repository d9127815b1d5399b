/* What a check of `polyns doctor` is, and what it finds. */
import type { Host } from './host.js'

/** `ok`: as it should be. `note`: worth to know, and may be meant. `warning`: something will go wrong some day. `error`: it does. */
export type Severity = 'ok' | 'note' | 'warning' | 'error'

export interface Finding {
  severity: Severity
  /** What was seen and where: one clause, on one line. */
  saw: string
  /** Why it matters to those who log in; empty for `ok`. */
  why: string
  /** Shell lines that mend it, as root, in their order; none where no command can. */
  mend: readonly string[]
}

export interface Check {
  /** Stable, as in JSON: `propagation-root`. */
  id: string
  /** What is asked, for people: `Mounts of the host reach sessions`. */
  title: string
  /** The exit status that an error here means: EXIT in cli/report.ts. */
  status: 1 | 3 | 4 | 5
  /** Looks and changes nothing. None: it does not concern this machine. What it throws is told as an error. */
  run(host: Host): Finding[]
}

export const ok = (saw: string): Finding => ({ severity: 'ok', saw, why: '', mend: [] })
export const note = (saw: string, why: string, ...mend: string[]): Finding => ({
  severity: 'note',
  saw,
  why,
  mend,
})
export const warning = (saw: string, why: string, ...mend: string[]): Finding => ({
  severity: 'warning',
  saw,
  why,
  mend,
})
export const error = (saw: string, why: string, ...mend: string[]): Finding => ({
  severity: 'error',
  saw,
  why,
  mend,
})
