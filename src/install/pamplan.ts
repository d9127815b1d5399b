/* Which stacks get a line, and whether each may: the services that are there, their files, and what doctor says of the result. */
import { dirname } from 'node:path'
import { pamControl } from '../doctor/checks/pam-control.js'
import { hasLines } from '../doctor/checks/pam-namespace.js'
import { pamOrder } from '../doctor/checks/pam-order.js'
import { pamSeteuid } from '../doctor/checks/pam-seteuid.js'
import type { Finding } from '../doctor/finding.js'
import { Host } from '../doctor/host.js'
import { argsFor } from '../doctor/pamline.js'
import { PAM_DIRECTORIES, type PamStack, readOwnStack } from '../doctor/pamstack.js'
import { systemNames } from '../session/request.js'
import { UsageError } from '../sys/errors.js'
import { readText, stateOf, whyNotReplace, whyOpen } from './files.js'
import { DEFAULT_SERVICES } from './services.js'
import { type Decision, decide, type Problem } from './stack.js'

export interface PamPlan {
  /** Those that have a line after the install, with what it says. */
  services: { service: string; args: readonly string[] }[]
  decisions: Decision[]
  /** Defaults that this machine does not have. */
  absent: string[]
  problems: Problem[]
  /** The stacks as they will be, by path. */
  texts: ReadonlyMap<string, string>
}

/**
 * @param options pam: the services by name; undefined: the default ones that have a stack here. `texts`: files as they will be
 * @throws {UsageError} a service by name that has no stack
 */
export function planPam(options: {
  pam: readonly string[] | undefined
  texts: ReadonlyMap<string, string>
  config: string | undefined
}): PamPlan {
  const texts = new Map(options.texts)
  const read = (path: string) => texts.get(path) ?? readText(path)
  const host = new StagedHost(texts, options.config)
  const isNamespaceActive = hasLines(host)
  const { chosen, absent } = choose(options.pam, read)
  const decided: Decision[] = []
  for (const service of innerFirst(chosen, read)) {
    const decision = decide(service, argsFor(service), read, { isNamespaceActive })
    decided.push(decision)
    if (decision.kind === 'insert') texts.set(decision.file, decision.after)
  }
  const decisions = chosen.flatMap((service) => decided.filter((decision) => decision.service === service))
  host.only = new Set(chosen)
  host.staged = texts
  const refused = decisions.flatMap((decision) => (decision.kind === 'refused' ? decision.problems : []))
  const unsafe = decisions.flatMap((decision) => judgeFiles(decision, read))
  const disordered = refused.length > 0 ? [] : judgeOrder(host)
  return {
    services: decisions.map((decision) => ({
      service: decision.service,
      args: decision.kind === 'already' ? decision.args : argsFor(decision.service),
    })),
    decisions,
    absent,
    problems: once([...refused, ...unsafe, ...disordered]),
    texts,
  }
}

/** This machine with the stacks as they will be; of them, those that are chosen. */
class StagedHost extends Host {
  only: ReadonlySet<string> = new Set()

  constructor(
    public staged: ReadonlyMap<string, string>,
    config: string | undefined,
  ) {
    super(systemNames, config)
  }

  override read(path: string): string | null {
    return this.staged.get(path) ?? super.read(path)
  }

  override list(path: string): string[] | null {
    const added = [...this.staged.keys()].filter((file) => dirname(file) === path)
    const names = super.list(path)
    return names === null
      ? null
      : [...new Set([...names, ...added.map((file) => file.slice(path.length + 1))])]
  }

  override get stacks(): ReadonlyMap<string, PamStack> {
    return new Map([...super.stacks].filter(([service]) => this.only.has(service)))
  }
}

function choose(pam: readonly string[] | undefined, read: (path: string) => string | null) {
  const names = [...new Set(pam ?? DEFAULT_SERVICES)]
  const isThere = (service: string) => readOwnStack(service, read) !== null
  const absent = names.filter((service) => !isThere(service))
  if (pam === undefined || absent.length === 0) return { chosen: names.filter(isThere), absent }
  const [directory] = PAM_DIRECTORIES
  const what = absent.map((service) => `'${service}'`).join(', ')
  throw new UsageError(`--pam: there is no stack for ${what} in ${directory}; nothing was changed`)
}

/** su before su-l, which includes it on Debian: whether that needs a line of its own depends on the one in su. */
function innerFirst(services: readonly string[], read: (path: string) => string | null): string[] {
  const files = new Map(services.map((service) => [service, readOwnStack(service, read)?.path]))
  const includes = (service: string) => {
    const entries = readOwnStack(service, read)?.entries ?? []
    const all = new Set(entries.flatMap(({ trail }) => trail.map(({ file }) => file)))
    return services.filter((other) => other !== service && all.has(files.get(other) ?? '')).length
  }
  return [...services].sort((a, b) => includes(a) - includes(b))
}

/** The file that is written to, and those that decide with it. */
function judgeFiles(decision: Decision, read: (path: string) => string | null): Problem[] {
  const stack = readOwnStack(decision.service, read)
  if (stack === null || decision.kind === 'refused') return []
  const all = new Set([stack.path, ...stack.entries.flatMap(({ trail }) => trail.map(({ file }) => file))])
  const problems: Problem[] = []
  const say = (file: string, why: string | null) => {
    if (why !== null) problems.push({ file, line: 0, why })
  }
  for (const file of [...all].filter((path) => stateOf(path) !== null)) {
    say(file, whyOpen(file))
    say(dirname(file), whyOpen(dirname(file)))
  }
  if (decision.kind === 'insert') say(decision.file, whyNotReplace(decision.file))
  return problems
}

function judgeOrder(host: Host): Problem[] {
  const isBad = ({ severity }: Finding) => severity === 'error' || severity === 'warning'
  const findings = [pamOrder, pamControl, pamSeteuid].flatMap((check) => check.run(host).filter(isBad))
  return findings.map(({ saw, why }) => ({ file: '', line: 0, why: `${saw}: ${why}` }))
}

function once(problems: readonly Problem[]): Problem[] {
  const shown = new Map(problems.map((problem) => [JSON.stringify(problem), problem]))
  return [...shown.values()]
}
