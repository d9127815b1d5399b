/* What the parts of a plan are made of. */
import { command, type Step } from '../propagation/step.js'
import { digest, readText, whyNotReplace } from './files.js'
import type { Problem } from './lint.js'
import type { Action } from './state.js'

/** One action, and of a file what it is to hold. */
export interface Work {
  action: Action
  text?: string
  /** For the diff: what it holds now. */
  old?: string | null
}

export interface Part {
  work: Work[]
  /** What is so already, or is left out. */
  steps: Step[]
  problems: Problem[]
}

export const EMPTY: Part = { work: [], steps: [], problems: [] }

/** A file that is written unless it is there; one that differs is somebody's own. */
export function planFile(path: string, text: string, mode = 0o644): Part {
  const old = readText(path)
  const line = `write ${command(path)}`
  if (old === text) return { ...EMPTY, steps: [{ outcome: 'already', command: line, note: '' }] }
  if (old !== null)
    return { ...EMPTY, steps: [{ outcome: 'skipped', command: line, note: 'there is one, which stays' }] }
  const why = whyNotReplace(path)
  if (why !== null) return { ...EMPTY, problems: [{ file: path, line: 0, why }] }
  return {
    ...EMPTY,
    work: [{ action: { kind: 'file', path, before: null, after: digest(text), mode }, text, old }],
  }
}
