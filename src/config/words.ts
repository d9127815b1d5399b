/*
 * A line of namespace.conf, cut into words the way pam_namespace does it:
 *
 *   a NUL byte ends the line; then the first # starts a comment, even in quotes and behind a backslash
 *   words are separated by white space: blank, tab, VT, FF, CR
 *   " starts and ends quoting anywhere in a word; a backslash is an ordinary character within
 *   outside of quotes \n \t \b are control characters, \X is X, a backslash at the very end stands for itself
 *
 * Each character remembers its column, so that a complaint about a part of a word can point at it.
 */
import type { Reporter } from './problem.js'

const BLANK = new Set([' ', '\t', '\n', '\v', '\f', '\r'])
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', b: '\b' }

/** A word, or a part of one, and where its characters stand in the line. */
export class Word {
  readonly text: string

  constructor(
    readonly chars: readonly string[],
    readonly columns: readonly number[],
    /** Where it begins, which for an empty word is no character of its own. */
    readonly column: number,
    /** The columns of the line whose character stood behind a backslash. */
    readonly escaped: ReadonlySet<number> = new Set(),
  ) {
    this.text = chars.join('')
  }

  slice(from: number, to = this.chars.length): Word {
    return new Word(
      this.chars.slice(from, to),
      this.columns.slice(from, to),
      this.columnAt(from),
      this.escaped,
    )
  }

  split(separator: string): Word[] {
    const parts: Word[] = []
    let from = 0
    for (const [index, char] of this.chars.entries()) {
      if (char !== separator) continue
      parts.push(this.slice(from, index))
      from = index + 1
    }
    parts.push(this.slice(from))
    return parts
  }

  /** The column of the character at `index`, or of the word's end. */
  columnAt(index: number): number {
    const last = this.columns.at(-1)
    return this.columns[index] ?? (last === undefined ? this.column : last + 1)
  }
}

/** The words of one line (without its newline), with what is odd about its characters reported. */
export function splitWords(line: string, reporter: Reporter): Word[] {
  const chars = Array.from(line)
  const used = chars.slice(0, endOfData(chars, reporter))
  const words: Word[] = []
  let at = 0
  while (at < used.length) {
    if (BLANK.has(used[at] ?? '')) {
      at++
      continue
    }
    at = readWord(used, at, words, reporter)
  }
  reportOddCharacters(chars, used.length, words, reporter)
  return words
}

function endOfData(chars: readonly string[], reporter: Reporter): number {
  const nul = chars.indexOf('\0')
  if (nul !== -1) {
    reporter.report('nul-byte', nul + 1, 'a NUL byte', { compat: 'the rest of the line is ignored' })
  }
  const end = nul === -1 ? chars.length : nul
  const hash = chars.indexOf('#')
  if (hash === -1 || hash > end) return end
  const before = chars[hash - 1]
  if (before !== undefined && !BLANK.has(before)) {
    reporter.report('glued-comment', hash + 1, 'this # starts a comment', {
      allowed: 'a blank before a comment; no path or name can contain a #, not even in quotes',
      compat: 'the rest of the line is ignored',
    })
  }
  return hash
}

function readWord(used: readonly string[], start: number, words: Word[], reporter: Reporter): number {
  const chars: string[] = []
  const columns: number[] = []
  const escaped = new Set<number>()
  let quotedSince: number | null = null
  let at = start
  for (; at < used.length; at++) {
    let char = used[at] ?? ''
    if (char === '"') {
      quotedSince = quotedSince === null ? at : null
      continue
    }
    if (quotedSince === null) {
      if (BLANK.has(char)) break
      if (char === '\\') {
        const next = used[at + 1]
        if (next === undefined) {
          reporter.report('trailing-backslash', at + 1, 'a backslash at the end of the line', {
            allowed: 'one line for each directory; lines cannot be continued',
            compat: 'it is taken as a part of the word',
          })
        } else {
          at++
          char = ESCAPES[next] ?? next
          escaped.add(at + 1)
        }
      }
    }
    chars.push(char)
    columns.push(at + 1)
  }
  if (quotedSince !== null) {
    reporter.report('unterminated-quote', quotedSince + 1, 'this quote is never closed', {
      compat: 'it is taken to end with the line',
    })
  }
  words.push(new Word(chars, columns, start + 1, escaped))
  return at
}

/** Things that look like a blank or like nothing at all: a pasted NBSP makes two fields one. */
function reportOddCharacters(
  chars: readonly string[],
  end: number,
  words: readonly Word[],
  reporter: Reporter,
) {
  const report = (char: string, column: number) => {
    const code = char.codePointAt(0)?.toString(16).padStart(4, '0').toUpperCase()
    reporter.report('invisible-character', column, `the invisible character U+${code}`, {
      allowed: 'blanks and tabs between words',
      compat: 'it is taken as it stands',
    })
  }
  for (let at = 0; at < end; at++) {
    const char = chars[at] ?? ''
    if (char > ' ' && char <= '~') continue // the classes of Unicode take half a millisecond to set up
    if (char === ' ' || char === '\t') continue
    // The CR of a file that was edited on Windows is a blank for both readers.
    if (char === '\r' && at === chars.length - 1) continue
    if (/[\p{Cc}\p{Cf}\p{Z}]/u.test(char)) report(char, at + 1)
  }
  for (const word of words) {
    for (const [index, char] of word.chars.entries()) {
      const column = word.columns[index] ?? word.column
      if (word.escaped.has(column) && char !== chars[column - 1] && /\p{Cc}/u.test(char)) report(char, column)
    }
  }
}
