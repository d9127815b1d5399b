/*
 * From the text of one file to its rules:
 *
 *   polydir  instance_prefix  method[:flag[=value]]...  [user list]      # comment
 *
 * Pure: text and names in, rules and problems out. A line with an error gives no rule; it never stops the
 * others from being read, so that all mistakes are named at once.
 */
import { readMethod } from './method.js'
import { judgePaths, readPolydir, readPrefix } from './paths.js'
import { Reporter } from './problem.js'
import type { Mode, Names, Problem, Rule } from './types.js'
import { nobodyListed, readUsers } from './users.js'
import { judgeTogether, type PlacedRule } from './whole.js'
import { splitWords } from './words.js'

const FIELDS = 'directory, instance prefix, method[:flags], and a user list or nothing'
const FIELD_NAMES = ['directory', 'instance prefix', 'method']
const BYTE_ORDER_MARK = '\uFEFF'
/** What a decoder leaves where the bytes were no UTF-8. */
const REPLACEMENT = '\uFFFD'

/** What is to be read, and how. */
export interface Source {
  file: string
  text: string
}

/** Reads the files of one configuration, in their order, and judges what they say together. */
export function parseConfig(
  sources: readonly Source[],
  options: { mode: Mode; names: Names },
): { rules: Rule[]; problems: Problem[] } {
  const problems: Problem[] = []
  const asked = { ...options, names: askedOnce(options.names) }
  const placed = sources.flatMap((source) => parseFile(source, asked, problems))
  const rules = judgeTogether(placed, options.mode, problems).map(({ rule }) => rule)
  const position = new Map(sources.map(({ file }, index) => [file, index]))
  problems.sort(
    (a, b) =>
      (position.get(a.file) ?? 0) - (position.get(b.file) ?? 0) || a.line - b.line || a.column - b.column,
  )
  return { rules, problems }
}

/** Lines have names in common, and who answers may be a server. */
function askedOnce({ userByName, groupByName }: Names): Names {
  return { userByName: once(userByName), groupByName: once(groupByName) }
}

function once<T>(find: (name: string) => T): (name: string) => T {
  const found = new Map<string, T>()
  return (name) => {
    const known = found.get(name)
    if (known !== undefined) return known
    const answer = find(name)
    found.set(name, answer)
    return answer
  }
}

function parseFile(
  { file, text }: Source,
  options: { mode: Mode; names: Names },
  problems: Problem[],
): PlacedRule[] {
  const placed: PlacedRule[] = []
  for (const [index, lineText] of text.split('\n').entries()) {
    const place = { file, line: index + 1, text: lineText }
    const found = parseLine(place, new Reporter(options.mode, place, problems), options.names)
    if (found !== null) placed.push(found)
  }
  return placed
}

function parseLine(
  place: { file: string; line: number; text: string },
  reporter: Reporter,
  names: Names,
): PlacedRule | null {
  const words = splitWords(withoutByteOrderMark(place, reporter), reporter)
  const [polydirWord, prefixWord, methodWord, usersWord, stray] = words
  if (polydirWord === undefined) return null

  for (const word of words.slice(0, 4)) {
    const index = word.chars.indexOf(REPLACEMENT)
    if (index !== -1) reporter.report('bad-encoding', word.columnAt(index), 'the bytes here are no UTF-8')
  }
  if (stray !== undefined) {
    reporter.report('stray-field', stray.column, 'a fifth field', {
      allowed: `${FIELDS}; a user list has no blanks in it`,
      compat: 'everything from here on is ignored',
    })
  }
  if (prefixWord === undefined || methodWord === undefined) {
    const end = Array.from(place.text.trimEnd()).length + 1
    reporter.report('missing-field', end, `the ${FIELD_NAMES[words.length]} is missing`, { allowed: FIELDS })
    return null
  }

  const field = readMethod(methodWord, names, reporter)
  const users = usersWord === undefined ? nobodyListed() : readUsers(usersWord, names, reporter)
  const polydir = readPolydir(polydirWord, reporter)
  if (field === null) return null
  const prefix = readPrefix(prefixWord, field.method, reporter)
  const rule: Rule = { file: place.file, line: place.line, polydir, prefix, ...field, users }
  judgePaths(rule, [polydirWord, prefixWord], reporter)
  if (reporter.failed) return null
  return { rule, text: place.text, polydirColumn: polydirWord.column, prefixColumn: prefixWord.column }
}

/** pam_namespace takes the mark for a part of the first path and refuses the line, unless it is empty. */
function withoutByteOrderMark(place: { line: number; text: string }, reporter: Reporter): string {
  if (place.line !== 1 || !place.text.startsWith(BYTE_ORDER_MARK)) return place.text
  reporter.report('byte-order-mark', 1, 'the file starts with a UTF-8 byte order mark', {
    allowed: 'the file without its first three bytes',
  })
  // A blank in its place keeps every column where the editor shows it.
  return ` ${place.text.slice(1)}`
}
