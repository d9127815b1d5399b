/*
 * Whether a PAM stack is understood, each line of it: what is not is left alone. libpam itself skips a line that it cannot
 * read, or lets the service fail, and either would be put down to the new line. Pure but for the function that reads.
 */
import { findFile, logicalLines, type ReadText } from '../doctor/pamstack.js'

/** What keeps a stack from being changed. */
export interface Problem {
  file: string
  /** 0: the whole file. */
  line: number
  /** What is met, and what to do. */
  why: string
}

const TYPES = /^-?(auth|account|password|session)$/i
const CONTROLS = /^(required|requisite|sufficient|optional)$/i
const PAIRS = /^\[\s*(\w+=(ok|done|bad|die|ignore|reset|\d+)\s*)+\]$/i
const INCLUDES = /^(include|substack)$/i

/** @returns what is wrong with the file of a stack, and with those that it includes */
export function lint(path: string, read: ReadText): Problem[] {
  return lintFile(path, read, [])
}

function lintFile(path: string, read: ReadText, above: readonly string[]): Problem[] {
  const text = read(path)
  if (text === null) return [{ file: path, line: 0, why: 'is not there' }]
  const problems: Problem[] = []
  const say = (line: number, why: string) => problems.push({ file: path, line, why })
  if (/[^\t\n\x20-\x7e\u0080-\uffff]/.test(text))
    say(0, 'holds control characters, such as a carriage return')
  for (const { line, words } of logicalLines(text)) {
    const { include, why } = judge(words)
    if (why !== null) say(line, `'${words.join(' ')}': ${why}`)
    if (include === null) continue
    const file = findFile(include, read)?.path ?? null
    if (file === null) say(line, `includes '${include}', which is not there`)
    else if (file === path || above.includes(file))
      say(line, `includes '${include}', which includes this file`)
    else problems.push(...lintFile(file, read, [...above, path]))
  }
  if (/\\\n?$/.test(text.replace(/#.*$/, ''))) say(0, 'ends with a backslash')
  return problems
}

function judge(words: readonly string[]): { include: string | null; why: string | null } {
  const [type = '', control = '', module = '', ...args] = words
  if (type === '@include') {
    const why = control !== '' && module === '' ? null : '@include takes one file'
    return { include: why === null ? control : null, why }
  }
  if (!TYPES.test(type)) return { include: null, why: `'${type}' is no type of PAM lines` }
  if (INCLUDES.test(control)) {
    const why = module !== '' && args.length === 0 ? null : `${control} takes one file`
    return { include: why === null ? module : null, why }
  }
  if (!CONTROLS.test(control) && !PAIRS.test(control))
    return { include: null, why: `'${control}' is no control that PAM knows` }
  return { include: null, why: /^[\w./$-]+$/.test(module) ? null : 'names no module' }
}
