/* Which line of a service's PAM stack calls polyns, and with which options. Pure but for the function that reads a file. */
import { readFileSync } from 'node:fs'
import { ifThere } from '../sys/errors.js'
import { baseName, type PamEntry, type Place, type ReadText, readStack } from './pamstack.js'

export interface PamLine {
  file: string
  line: number
  /** What follows `polyns pam`. */
  args: string[]
}

/** The line of a service, or in words why polyns is not called for it. Both are null where no service is known. */
export function pamLineOf(
  service: string | undefined,
  read: ReadText = readIfThere,
): { pam: PamLine | null; silent: string | null } {
  if (service === undefined) return { pam: null, silent: null }
  const { stack, found } = findPamLine(service, read)
  if (found !== null) return { pam: found, silent: null }
  const why = stack === null ? `PAM has no stack for ${service}` : `${stack} does not call 'polyns pam'`
  return { pam: null, silent: why }
}

function readIfThere(path: string): string | null {
  return ifThere(() => readFileSync(path, 'utf8'))
}

/**
 * `stack`: the service's own file, or `other`'s; null: PAM knows neither. `found`: the first line that calls polyns.
 * @param read the text of a file, or null where there is none; what it throws comes out here
 */
export function findPamLine(
  service: string,
  read: ReadText,
): { stack: string | null; found: PamLine | null } {
  const stack = readStack(service, read)
  const call = stack === null ? undefined : polynsCalls(stack.entries)[0]
  if (call === undefined) return { stack: stack?.path ?? null, found: null }
  const { file, line } = call.entry
  return { stack: stack?.path ?? null, found: { file, line, args: call.args } }
}

/** A line that calls polyns. */
export interface PolynsCall {
  entry: PamEntry
  /** Its place among the session lines of the stack. */
  index: number
  /** What pam_exec itself is told: `quiet`, `seteuid`. */
  options: readonly string[]
  /** As it is named there. */
  program: string
  /** What follows `polyns pam`. */
  args: string[]
}

export function sessionEntries(entries: readonly PamEntry[]): PamEntry[] {
  return entries.filter(({ type }) => type === 'session')
}

export function polynsCalls(entries: readonly PamEntry[]): PolynsCall[] {
  return sessionEntries(entries).flatMap((entry, index) => {
    if (entry.module !== 'pam_exec.so') return []
    const at = entry.args.findIndex((word) => baseName(word) === 'polyns')
    const program = entry.args[at]
    if (program === undefined || entry.args[at + 1] !== 'pam') return []
    const [options, args] = [entry.args.slice(0, at), entry.args.slice(at + 2)]
    return [{ entry, index, options, program, args }]
  })
}

/** As it stands in every line; the package and `polyns install` see that it is there. */
export const PROGRAM = '/usr/sbin/polyns'

/** What follows `polyns pam`: what root restarts by su or sudo is the host's, and a refused job would drain the node. */
export function argsFor(service: string): string[] {
  if (/^su(do)?(-[li])?$/.test(service)) return ['--global']
  return service === 'slurm' ? ['--fail-open'] : []
}

/** The line that `polyns install` writes. */
export function lineFor(args: readonly string[]): string {
  return ['session required pam_exec.so quiet seteuid', PROGRAM, 'pam', ...args].join(' ')
}

/** What a module's return value does to the rest of the stack, pam.conf(5). A number jumps over so many lines. */
type Action = 'ok' | 'done' | 'ignore' | 'bad' | 'die' | 'reset' | number

const WORDS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  required: { success: 'ok', new_authtok_reqd: 'ok', ignore: 'ignore', default: 'bad' },
  requisite: { success: 'ok', new_authtok_reqd: 'ok', ignore: 'ignore', default: 'die' },
  sufficient: { success: 'done', new_authtok_reqd: 'done', default: 'ignore' },
  optional: { success: 'ok', new_authtok_reqd: 'ok', default: 'ignore' },
}

/** By return value, with `default` for those that are not named. */
function actionsOf(control: string): ReadonlyMap<string, Action> {
  const words = WORDS[control]
  const pairs =
    words === undefined
      ? Array.from(
          control.matchAll(/(\w+)=(\w+)/g),
          ([, value = '', action = '']) => [value, action] as const,
        )
      : Object.entries(words)
  return new Map(
    pairs.map(([value, action]) => [value, /^\d+$/.test(action) ? Number(action) : (action as Action)]),
  )
}

/** Whether a failure of pam_exec, which is PAM_SYSTEM_ERR, lets the session open all the same. */
export function passesFailure(control: string): boolean {
  const actions = actionsOf(control)
  const action = actions.get('system_err') ?? actions.get('default') ?? 'bad'
  return action !== 'bad' && action !== 'die'
}

/** The lines before `index` that can end the stack, or jump, so that it is passed over, though nothing has failed. */
export function linesThatSkip(session: readonly PamEntry[], index: number): PamEntry[] {
  return session.slice(0, index).filter((entry, from) => {
    if (entry.module === '') return false
    const actions = [...actionsOf(entry.control).values()]
    return actions.some((action) => {
      if (action === 'done') return index <= endOfSubstack(session, from)
      return typeof action === 'number' && index <= landing(session, from, action)
    })
  })
}

/** `done` in a substack ends that one only. @returns the last line that it passes over */
function endOfSubstack(session: readonly PamEntry[], from: number): number {
  const level = session[from]?.level ?? 0
  if (level === 0) return session.length - 1
  const next = session.findIndex((entry, i) => i > from && entry.level < level)
  return next < 0 ? session.length - 1 : next - 1
}

/** As _pam_dispatch_aux jumps: a substack counts as one line. @returns the last line that it passes over */
function landing(session: readonly PamEntry[], from: number, jump: number): number {
  const level = session[from]?.level ?? 0
  const levelAt = (i: number) => session[i]?.level ?? -1
  let at = from
  for (let left = jump; left > 0 && levelAt(at + 1) >= level; left--) {
    do at++
    while (levelAt(at + 1) > level)
  }
  return at
}

/** Where in the file that has `call` a line would have to stand to come before `other`; null: not in that file. */
export function placeBefore(call: PamEntry, other: PamEntry): Place | null {
  const fork = call.trail.findIndex(({ line }, i) => other.trail[i]?.line !== line)
  return fork === call.trail.length - 1 ? (other.trail[fork] ?? null) : null
}
