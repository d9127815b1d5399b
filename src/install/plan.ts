/*
 * All that an install would do here, found without a change: what is there already, what is to be made, and what forbids it.
 * The order of the work is the order in which it is done: the PAM lines last, when all that they need is there.
 */
import { dirname } from 'node:path'
import { type Config, errorsOf, loadConfig } from '../config/index.js'
import { hasLines } from '../doctor/checks/pam-namespace.js'
import { Host } from '../doctor/host.js'
import { lineFor, PROGRAM } from '../doctor/pamline.js'
import { staticParents } from '../propagation/places.js'
import type { Step } from '../propagation/step.js'
import { systemNames } from '../session/request.js'
import { UsageError } from '../sys/errors.js'
import { shippedPath } from '../sys/program.js'
import { digest, has, missingDirectories, readText, stateOf } from './files.js'
import { type PamPlan, planPam } from './pamplan.js'
import { EMPTY, type Part, planFile, type Work } from './part.js'
import { launcherPath, planProgram } from './programplan.js'
import { PROFILE_ARGS } from './services.js'
import type { Insertion } from './stack.js'
import { BACKUP_DIRECTORY, readState } from './state.js'
import { planSystem } from './systemplan.js'
import { absent } from './traces.js'

export interface InstallPlan extends Part {
  pam: PamPlan
  config: Config
  /** The configuration while it is not in its place yet. */
  stagedConfig: string | undefined
  /** Of this polyns; what {@link PROGRAM} is or becomes a link to. */
  launcher: string
}

export interface InstallOptions {
  pam: readonly string[] | undefined
  pamAuthUpdate: boolean
}

export const CONFIG_FILE = '/etc/polyns/namespace.conf'

/** @throws {UsageError} what was asked for is not there */
export function planInstall(options: InstallOptions): InstallPlan {
  const { staged, ...configPart } = planConfig()
  const config = loadConfig({ names: systemNames, config: staged })
  const profile = options.pamAuthUpdate ? planProfile() : EMPTY
  const pam = planPam({ pam: options.pam, texts: commonFiles(options), config: staged })
  const usable = errorsOf(config).length === 0
  const parts: Part[] = [
    configPart,
    planProgram(new Host(systemNames, staged)),
    usable ? planSetup(config) : EMPTY,
    planSystem(),
    profile,
    pamPart(pam),
  ]
  const work = withDirectories(parts.flatMap((part) => part.work))
  return {
    work,
    steps: parts.flatMap((part) => part.steps),
    problems: parts.flatMap((part) => part.problems),
    pam,
    config,
    stagedConfig: staged,
    launcher: launcherPath(),
  }
}

/** @returns staged: what the configuration can be read from before it is in its place; undefined: it is there */
function planConfig(): Part & { staged: string | undefined } {
  const host = new Host(systemNames, undefined)
  const already = (note: string): Part => ({
    ...EMPTY,
    steps: [{ outcome: 'already', command: `write ${CONFIG_FILE}`, note }],
  })
  if (stateOf(CONFIG_FILE) !== null) return { ...already('there is one, which stays'), staged: undefined }
  if (hasLines(host))
    return { ...already('/etc/security/namespace.conf has lines, and is used'), staged: undefined }
  const staged = shippedPath('config/namespace.conf.example')
  return { ...planFile(CONFIG_FILE, readText(staged) ?? ''), staged }
}

/** A second install leaves it to the boot. */
function planSetup({ rules }: Config): Part {
  if (readState()?.actions.some(({ kind }) => kind === 'setup') === true)
    return { ...EMPTY, steps: [{ outcome: 'already', command: 'polyns setup', note: '' }] }
  return { ...EMPTY, work: [{ action: { kind: 'setup', parents: absent(staticParents(rules)) } }] }
}

const PROFILE = 'polyns'
const PROFILE_FILE = `/usr/share/pam-configs/${PROFILE}`
const COMMON = ['/etc/pam.d/common-session', '/etc/pam.d/common-session-noninteractive']

function planProfile(): Part {
  if (!has('pam-auth-update')) {
    throw new UsageError('--pam-auth-update: there is no pam-auth-update here, which Debian and its kin have')
  }
  const part = planFile(PROFILE_FILE, readText(shippedPath('config/pam/pam-auth-update')) ?? '')
  if (part.work.length === 0 && COMMON.every((file) => hasProfileLine(readText(file)))) return part
  return { ...part, work: [...part.work, { action: { kind: 'profile', name: PROFILE } }] }
}

const hasProfileLine = (text: string | null) => (text ?? '').includes(`${PROGRAM} pam`)

/** The common files as pam-auth-update will make them, near enough for the other stacks: the line comes last. */
function commonFiles({ pamAuthUpdate }: InstallOptions): Map<string, string> {
  const texts = new Map<string, string>()
  for (const file of pamAuthUpdate ? COMMON : []) {
    const text = readText(file)
    if (text !== null && !hasProfileLine(text))
      texts.set(file, `${text.replace(/\n?$/, '\n')}${lineFor(PROFILE_ARGS)}\n`)
  }
  return texts
}

function pamPart({ decisions, absent, problems }: PamPlan): Part {
  const steps = decisions.flatMap((decision): Step | Step[] => {
    if (decision.kind !== 'already') return []
    const { service, file, at, note } = decision
    const isThere = readText(file)?.includes(PROGRAM) === true
    const where = `${file}:${at} ${isThere ? 'has' : 'gets'} the line`
    return {
      outcome: isThere ? 'already' : 'skipped',
      command: `polyns for ${service}`,
      note: [where, note].filter(Boolean).join(', '),
    }
  })
  const missing = absent.map((service): Step => {
    return {
      outcome: 'skipped',
      command: `write /etc/pam.d/${service}`,
      note: 'this machine has no such stack',
    }
  })
  const work = decisions.flatMap((decision) => (decision.kind === 'insert' ? [workOf(decision)] : []))
  return { work, steps: [...steps, ...missing], problems }
}

function workOf({ file, from, line, before, after }: Insertion): Work {
  // A vendor's file is copied, and there is nothing to bring back.
  const hash = digest(before)
  const name = `${file.slice(1).replaceAll('/', '-')}.${hash.slice(0, 12)}`
  const backup = from === file ? { backup: `${BACKUP_DIRECTORY}/${name}`, hash } : null
  const old = backup === null ? null : before
  return {
    action: { kind: 'file', path: file, before: backup, after: digest(after), line },
    text: after,
    old,
  }
}

/** With those that have to be made for it. */
function withDirectories(work: readonly Work[]): Work[] {
  const made = new Set<string>()
  return work.flatMap((one) => {
    const { action } = one
    const path = action.kind === 'file' || action.kind === 'link' ? dirname(action.path) : '/'
    const missing = missingDirectories(path).filter((directory) => !made.has(directory))
    for (const directory of missing) made.add(directory)
    return [...missing.map((directory): Work => ({ action: { kind: 'directory', path: directory } })), one]
  })
}
