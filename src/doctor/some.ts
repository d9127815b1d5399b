/* A list that stays on one line, however long it is. Pure. */

const SHOWN = 5

/** `a b c d e and 12 more`. */
export function some(words: readonly (string | number)[]): string {
  const shown = words.slice(0, SHOWN).join(' ')
  return words.length <= SHOWN ? shown : `${shown} and ${words.length - SHOWN} more`
}
