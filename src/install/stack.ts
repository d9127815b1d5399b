/*
 * Where the line goes in a service's PAM stack, or why the stack is left alone. Pure: the text of a file comes from a function.
 *
 * Before what must come after it (pam_selinux open, pam_mount; pam_systemd beside pam_slurm_adopt: doctor's pam-order says
 * why), else after the last session line. A stack whose other lines could pass over the new one is refused: a session would
 * open in the host's view, and nobody would be told.
 */
import { firstToFollow } from '../doctor/pamcalls.js'
import {
  lineFor,
  linesThatSkip,
  type PolynsCall,
  PROGRAM,
  polynsCalls,
  sessionEntries,
} from '../doctor/pamline.js'
import {
  baseName,
  PAM_DIRECTORIES,
  type PamEntry,
  type PamStack,
  type ReadText,
  readOwnStack,
} from '../doctor/pamstack.js'
import { lint, type Problem } from './lint.js'
import { PROFILE_ARGS } from './services.js'

export type { Problem } from './lint.js'

/** A line that is to be written. */
export interface Insertion {
  kind: 'insert'
  service: string
  /** Where it is written: a vendor's file is copied to /etc/pam.d first, where libpam looks before it looks there. */
  file: string
  /** What it is made of; the same, but for a vendor's. */
  from: string
  /** The line as it stands there. */
  line: string
  /** Its number in the new text. */
  at: number
  before: string
  after: string
}

export type Decision =
  | Insertion
  | { kind: 'already'; service: string; file: string; at: number; args: readonly string[]; note: string }
  | { kind: 'refused'; service: string; problems: Problem[] }

const [OWN = '', VENDOR = ''] = PAM_DIRECTORIES

/** @param options isNamespaceActive: pam_namespace has a configuration, and so something to do */
export function decide(
  service: string,
  args: readonly string[],
  read: ReadText,
  options: { isNamespaceActive: boolean },
): Decision {
  const stack = readOwnStack(service, read)
  if (stack === null) return refuse(service, [{ file: `${OWN}/${service}`, line: 0, why: 'is not there' }])
  const problems = [...lint(stack.path, read), ...foreign(stack, options)]
  if (problems.length > 0) return refuse(service, problems)
  const calls = polynsCalls(stack.entries)
  if (calls.length > 0) return judgeCalls(service, args, stack, calls)
  const insertion = insert(service, args, stack, read)
  const skipping = thoseThatSkip(insertion, read)
  return skipping.length > 0 ? refuse(service, skipping) : insertion
}

const refuse = (service: string, problems: Problem[]): Decision => ({ kind: 'refused', service, problems })

/** Lines that do what polyns does, or call it in a way that is not understood. */
function foreign({ entries }: PamStack, options: { isNamespaceActive: boolean }): Problem[] {
  const known = polynsCalls(entries).map(({ entry }) => entry)
  return entries.flatMap((entry): Problem[] => {
    const { file, line, type, module, text } = entry
    if (module === 'pam_namespace.so' && type === 'session' && options.isNamespaceActive) {
      const why =
        'pam_namespace.so makes directories private too, by /etc/security/namespace.conf: take this line out first; polyns ' +
        'reads that file itself'
      return [{ file, line, why }]
    }
    if (known.includes(entry) || !entry.args.some((word) => baseName(word).startsWith('polyns'))) return []
    return [{ file, line, why: `'${text}' names polyns in a way that is not understood; take it out first` }]
  })
}

/** The stack calls polyns: by the line that would be written, or by another. */
function judgeCalls(
  service: string,
  args: readonly string[],
  stack: PamStack,
  calls: readonly PolynsCall[],
): Decision {
  const wanted = lineFor(args)
  const problems = calls.flatMap((call): Problem[] => {
    const { entry } = call
    if (isLine(call, args)) return []
    // What the profile of pam-auth-update has put into a common file serves all who include it.
    if (entry.trail.length > 1 && isLine(call, PROFILE_ARGS)) return []
    const why = `'${entry.text}' is not the line that install writes: '${wanted}'; make it that, or take it out`
    return [{ file: entry.file, line: entry.line, why }]
  })
  const session = sessionEntries(stack.entries)
  const skipping = calls
    .slice(0, 1)
    .flatMap(({ entry, index }) => sayAll(linesThatSkip(session, index), entry))
  if (problems.length + skipping.length > 0) return refuse(service, [...problems, ...skipping])
  const [first] = calls
  const { file = stack.path, line = 0, trail = [] } = first?.entry ?? {}
  const found = first?.args ?? []
  const lacking = args.filter((word) => !found.includes(word))
  const by = trail.length > 1 ? `which ${stack.path}:${trail[0]?.line} includes` : ''
  const without = lacking.length === 0 ? '' : `without ${lacking.join(' ')}`
  const note = [by, without].filter(Boolean).join(', ')
  return { kind: 'already', service, file, at: line, args: found, note }
}

function isLine({ entry, options, program, args: found }: PolynsCall, args: readonly string[]): boolean {
  const isHow = entry.control === 'required' && options.join(' ') === 'quiet seteuid' && program === PROGRAM
  return isHow && found.join(' ') === args.join(' ')
}

function insert(service: string, args: readonly string[], stack: PamStack, read: ReadText): Insertion {
  const text = read(stack.path) ?? ''
  const lines = text.replace(/\n$/, '').split('\n')
  const session = sessionEntries(stack.entries)
  // pam_selinux on a machine without SELinux as well: nobody would think of this line when he turns it on.
  const next = firstToFollow(stack, { isSelinux: true })?.trail[0]?.line
  const last = session.at(-1)?.trail[0]?.line
  const index = next !== undefined ? aboveComments(lines, next - 1) : afterLogicalLine(lines, last)
  const line = lineFor(args)
  const after = `${[...lines.slice(0, index), line, ...lines.slice(index)].join('\n')}\n`
  const isVendors = stack.path.startsWith(`${VENDOR}/`)
  const file = isVendors ? `${OWN}${stack.path.slice(VENDOR.length)}` : stack.path
  return { kind: 'insert', service, file, from: stack.path, line, at: index + 1, before: text, after }
}

/** What is said about a line stands above it. */
function aboveComments(lines: readonly string[], index: number): number {
  let at = index
  while (at > 0 && lines[at - 1]?.trimStart().startsWith('#')) at--
  return at
}

/** @param line its first one, counted from 1; undefined: there is none, and the end of the file is the place */
function afterLogicalLine(lines: readonly string[], line: number | undefined): number {
  if (line === undefined) return lines.length === 1 && lines[0] === '' ? 0 : lines.length
  let at = line
  while (lines[at - 1]?.replace(/#.*/, '').endsWith('\\')) at++
  return at
}

/** The lines that could pass over the new one, as the stack would then be. */
function thoseThatSkip({ service, file, after }: Insertion, read: ReadText): Problem[] {
  const stack = readOwnStack(service, (path) => (path === file ? after : read(path)))
  const [call] = stack === null ? [] : polynsCalls(stack.entries)
  if (stack === null || call === undefined)
    return [{ file, line: 0, why: 'would not call polyns with the line in it' }]
  return sayAll(linesThatSkip(sessionEntries(stack.entries), call.index), call.entry)
}

function sayAll(entries: readonly PamEntry[], call: PamEntry): Problem[] {
  return entries.map((entry) => {
    // Behind the new line, in its own file, a line has another number than the one that is there to be read.
    const line = entry.file === call.file && entry.line > call.line ? entry.line - 1 : entry.line
    const why = `'${entry.text}' can pass over the line of polyns, which belongs behind it: move it, or leave ${call.file} out by --pam`
    return { file: entry.file, line, why }
  })
}
