/* What setup says of each thing that it does: the shell line that it equals, and what became of it. */
import { escapeControls } from '../sys/call.js'

/** `would`: in a dry run, or planned and not yet done. `blocked`: cannot be done now, and waits for the next run. */
export type Outcome = 'done' | 'would' | 'already' | 'skipped' | 'blocked'

export interface Step {
  outcome: Outcome
  /** For people: setup itself runs no command. */
  command: string
  /** Why it was skipped, or what else there is to know; empty for nothing. */
  note: string
}

/** A shell line of these words, each quoted where it must be. */
export function command(...words: string[]): string {
  return words.map(shellWord).join(' ')
}

function shellWord(word: string): string {
  const shown = escapeControls(word)
  return /^[\w@%+=:,./-]+$/.test(shown) ? shown : `'${shown.replaceAll("'", "'\\''")}'`
}
