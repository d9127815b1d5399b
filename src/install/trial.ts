/*
 * Tries a login by each service, as a user and as root, each in a process of its own with a time limit, and judges what it
 * saw. A session that does not open, or opens with another view than the configuration says, fails the install.
 */
import { readFileSync } from 'node:fs'
import { appliesTo, type Config, expandRule, type Rule } from '../config/index.js'
import { command, type Step } from '../propagation/step.js'
import { ScriptError, UsageError } from '../sys/errors.js'
import { childProcess } from '../sys/lazy.js'
import { getgrouplist, getpwnam, type User } from '../sys/names.js'
import { thisProgram } from '../sys/program.js'
import { reasonOf } from './lastlog.js'
import { step } from './revert.js'
import { identity, type TrialReport, type TrialRequest } from './trylogin.js'

/** The hidden command that calls {@link tryLogin}. */
export const TRIAL_COMMAND = 'try-login'

export interface TrialOptions {
  services: readonly { service: string; args: readonly string[] }[]
  config: Config
  /** `--trial-user`. */
  user: string | undefined
  /** The stacks in place of /etc/pam.d; null: those. */
  confdir: string | null
}

const TIMEOUT_MS = 120_000
const FIRST_PERSON = 1000 // login.defs(5), UID_MIN
const LAST_PERSON = 60_000 // UID_MAX; nobody is above it

/** @throws {ScriptError} a login failed: by which service, as whom, and what PAM said. {@link UsageError} no such user */
export function tryLogins(options: TrialOptions): Step[] {
  const who = trialUser(options)
  const root = getpwnam('root')
  const people = [...(who === null ? [] : [who]), ...(root === null ? [] : [root])]
  for (const service of options.services) {
    for (const person of people) tryOne(service, person, options)
  }
  const names = options.services.map(({ service }) => service).join(', ')
  const stacks = options.confdir === null ? 'the stacks in /etc/pam.d' : 'copies of the stacks'
  const line = `log in as ${people.map(({ name }) => name).join(' and ')} by ${names}`
  const tried = step('done', line, `tried with ${stacks}: opened, looked around, closed`)
  if (who !== null) return [tried]
  const note = `the configuration concerns no user of /etc/passwd with uids ${FIRST_PERSON} to ${LAST_PERSON}; name one by --trial-user`
  return [tried, step('skipped', 'log in as an ordinary user', note)]
}

/** The instance directories that a trial may leave behind. */
export function instancesOf(user: string | undefined, config: Config): string[] {
  const who = trialUser({ user, config })
  const root = getpwnam('root')
  return [who, root].flatMap((person) =>
    person === null ? [] : instancePaths(person, config).map(({ path }) => path),
  )
}

function trialUser({ user, config }: Pick<TrialOptions, 'user' | 'config'>): User | null {
  if (user !== undefined) {
    const found = getpwnam(user)
    if (found === null) throw new UsageError(`--trial-user: there is no user '${user}'`)
    return found
  }
  for (const line of readFileSync('/etc/passwd', 'utf8').split('\n')) {
    const [name = '', , uid = ''] = line.split(':')
    if (Number(uid) < FIRST_PERSON || Number(uid) > LAST_PERSON) continue
    const found = getpwnam(name)
    if (found !== null && rulesFor(found, config).length > 0) return found
  }
  return null
}

function rulesFor({ name, uid, gid }: User, { rules }: Config): Rule[] {
  const gids = getgrouplist(name, gid)
  return rules.filter((rule) => appliesTo(rule, { uid, gids }))
}

function tryOne(
  { service, args }: TrialOptions['services'][number],
  person: User,
  { config, confdir }: TrialOptions,
): void {
  const rules = rulesFor(person, config)
  const who = { user: person.name, home: person.home }
  const polydirs = rules.map((rule) => expandRule(rule, who).polydir)
  const request = { service, user: person.name, polydirs }
  const report = runTrial({ ...request, confdir })
  const isPrivate = rules.length > 0 && !args.includes('--global')
  const why = typeof report === 'string' ? report : judge(report, isPrivate ? person.uid : null)
  const wrong =
    why ?? (isPrivate && typeof report !== 'string' ? judgeInstances(report, person, config) : null)
  if (wrong === null) return
  const attempt = `trying a login as ${person.name} by ${service}`
  const isRefused = typeof report !== 'string' && !report.opened
  // pam_exec tells of polyns in the copies; of another module's refusal the log of polyns has nothing.
  const isOurs = !isRefused || confdir === null || report.said.includes('exit code')
  const reason = isOurs ? `; ${reasonOf(service, person.name)}` : ''
  throw new ScriptError(
    `${attempt}: ${wrong}${reason}${isRefused && confdir !== null ? sayWithout(request) : ''}`,
  )
}

/** @param uid whose private view it must have; null: the host's @returns what is wrong */
function judge({ opened, closed, said, before, inside }: TrialReport, uid: number | null): string | null {
  if (!opened) return `PAM refuses the session: ${said}`
  if (!closed) return `PAM fails to close the session: ${said}`
  if (uid === null) {
    if (inside.namespace === before.namespace) return null
    return `the session is in ${inside.namespace}, and not on the host (${before.namespace})`
  }
  if (inside.namespace === before.namespace) return "the session opens in the host's view"
  if (inside.marked !== uid) return 'the session is in a namespace that polyns has not made for this user'
  const [shared] = Object.entries(inside.files).filter(
    ([path, seen]) => seen === null || seen === before.files[path],
  )
  return shared === undefined ? null : `${shared[0]} in the session is the host's`
}

/** Where the instance is the user's one directory, it must be that. */
function judgeInstances({ inside }: TrialReport, person: User, config: Config): string | null {
  const wrong = instancePaths(person, config).find(({ polydir, path }) => {
    const expected = identity(path)
    return expected !== null && inside.files[polydir] !== expected
  })
  return wrong === undefined ? null : `${wrong.polydir} in the session is not ${wrong.path}`
}

function instancePaths(person: User, config: Config): { polydir: string; path: string }[] {
  return rulesFor(person, config).flatMap((rule) => {
    if (rule.method !== 'user' || rule.scope !== 'user') return []
    const { polydir, prefix } = expandRule(rule, { user: person.name, home: person.home })
    return [{ polydir, path: `${prefix}${person.name}` }]
  })
}

/** Whether the stack fails by itself: then it says nothing of the new line. */
function sayWithout(request: Omit<TrialRequest, 'confdir'>): string {
  const report = runTrial({ ...request, confdir: null })
  if (typeof report !== 'string' && report.opened) return ''
  const why = typeof report === 'string' ? report : report.said
  return `; without the line of polyns it fails too (${why}): leave ${request.service} out by --pam, or mend its stack`
}

/** @returns in words why there is no report */
function runTrial(request: TrialRequest): TrialReport | string {
  const [program = '', ...args] = [...thisProgram(), TRIAL_COMMAND, JSON.stringify(request)]
  const { status, signal, stdout, stderr } = childProcess().spawnSync(program, args, {
    cwd: '/',
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: TIMEOUT_MS,
    killSignal: 'SIGKILL',
  })
  const line = /^trial (\{.*\})$/m.exec(stdout)?.[1]
  if (line !== undefined) return JSON.parse(line) as TrialReport
  if (signal === 'SIGKILL') return `no answer within ${TIMEOUT_MS / 1000} s`
  const said = stderr.trim().split('\n')[0] || `status ${status}, ${signal ?? 'no signal'}`
  return `${command(program)} did not come to its end: ${said}`
}
