/*
 * Rules and a request in, ordered steps out. Pure: nothing is opened or looked up here, so a plan can be printed, compared
 * with another (the same text: the sessions can share one namespace) and tested without root.
 */
import { appliesTo, expandRule, type Mode, type MountFlag, type Rule } from '../config/index.js'
import { ConfigError, UnsupportedError } from '../sys/errors.js'
import { assertUsableName, instanceName } from './name.js'

export { instanceName } from './name.js'

export interface Who {
  /** PAM_USER as typed: instances are named by it, as pam_namespace does. */
  user: string
  uid: number
  gid: number
  gids: readonly number[]
  home: string
  /** For scope=session. */
  sessionId: string
  /** For scope=job; null outside of a job, where the scope is the user's. */
  jobId: string | null
}

interface CommonStep {
  polydir: string
  mountFlags: MountFlag[]
  create: { mode: number | null; uid: number; gid: number } | null
  /** Names of the real directory that stay visible in the private one. */
  keep: string[]
  /** Patterns of names: the user's own files of the real directory that are moved into the private one. */
  carry: string[]
  /** The script that fills a new instance; null: none. */
  initScript: { path: string; required: boolean } | null
}

/** The instance PARENT/NAME is bound on the polydir. */
export interface BindStep extends CommonStep {
  kind: 'bind'
  parent: string
  name: string
  /** True: NAME is only how the name begins; the directory is new, this session's, and goes with it. */
  fresh: boolean
  /** The instance is for one session, by scope=session, and goes with it. */
  sessionOnly?: true
  /** The SELinux context of a new instance, where it is not the polydir's: the methods level and context. */
  label?: string
  /** The instance belongs to no one user: it outlives all sessions of this one. */
  shared?: true
}

/** A tmpfs of its own is mounted on the polydir. */
export interface TmpfsStep extends CommonStep {
  kind: 'tmpfs'
  /** `size=10M,mode=1777` */
  options: string | null
}

export type Step = BindStep | TmpfsStep

export interface Plan {
  user: string
  uid: number
  steps: Step[]
  /** Another session with the same plan may use the same namespace: no step is for one session only. */
  joinable: boolean
  /** Instance parents may be of any mode and owner. */
  ignoreParentMode?: true
  /** What an administrator should hear of: a level that could not be told apart. Not part of the key. */
  notes: string[]
}

/** Which instance a line with method level or context gets. */
export interface ContextRequest {
  method: 'level' | 'context'
  polydir: string
  /** The line makes the polydir when it is missing. */
  creates: boolean
}

/** The SELinux context of the instance; or why there is none, and the instance is the user's alone. */
export type InstanceContext = { context: string } | { unavailable: string }

/** What the options of the PAM line change; see docs/pam-options.md. */
export interface PlanOptions {
  /** --gen-hash: an instance bears the md5 of its name. */
  genHash?: boolean
  /** --ignore-instance-parent-mode */
  ignoreParentMode?: boolean
  /** Looks contexts up, ns/context.ts. Without it the methods level and context are refused. */
  contextOf?: (request: ContextRequest) => InstanceContext
}

/** Where scripts without a path of their own are, by the kind of file the rule stands in. */
const DEFAULT_SCRIPT: Readonly<Record<Mode, string>> = {
  strict: '/etc/polyns/namespace.init',
  compat: '/etc/security/namespace.init',
}

/**
 * @param md5 hex digest of a string; given by the caller, since only long names need it
 * @throws {ConfigError} a rule that is wrong for this user
 * @throws {UnsafePathError} a user name that cannot be the name of a directory
 * @throws {UnsupportedError} what SELinux lacks for a line with method level or context
 */
export function makePlan(
  rules: readonly Rule[],
  mode: Mode,
  who: Who,
  md5: (text: string) => string,
  options: PlanOptions = {},
): Plan {
  const applying = rules.filter((rule) => appliesTo(rule, who))
  if (applying.length > 0) assertUsableName(who.user)
  const notes: string[] = []
  return {
    user: who.user,
    uid: who.uid,
    steps: applying.map((rule) => makeStep(rule, { mode, who, md5, options, notes })),
    joinable: applying.every((rule) => rule.method !== 'tmpdir' && rule.scope !== 'session'),
    ...(options.ignoreParentMode === true && { ignoreParentMode: true }),
    notes,
  }
}

/** What two plans must have in common for their sessions to share a namespace. */
export function planKey(plan: Plan): string {
  const { notes: _notes, ...key } = plan
  return JSON.stringify(key)
}

interface Making {
  mode: Mode
  who: Who
  md5: (text: string) => string
  options: PlanOptions
  notes: string[]
}

function makeStep(rule: Rule, making: Making): Step {
  const { mode, who } = making
  const { polydir, prefix } = expandRule(rule, who)
  const common: CommonStep = {
    polydir,
    mountFlags: rule.mountFlags,
    create: rule.create && {
      mode: rule.create.mode === null ? null : rule.create.mode & 0o7777,
      uid: rule.create.owner ?? who.uid,
      gid: rule.create.group ?? who.gid,
    },
    keep: rule.keep,
    carry: rule.carry,
    initScript: rule.flags.includes('noinit')
      ? null
      : { path: rule.iscript ?? DEFAULT_SCRIPT[mode], required: mode === 'strict' && rule.iscript !== null },
  }
  switch (rule.method) {
    case 'tmpfs':
      return { ...common, kind: 'tmpfs', options: rule.mntopts }
    case 'tmpdir':
      return { ...common, kind: 'bind', ...splitInstance(prefix, rule), fresh: true }
    case 'user':
      return {
        ...common,
        kind: 'bind',
        ...splitInstance(prefix + nameOf(rule, who.user, making), rule),
        fresh: false,
        ...(rule.scope === 'session' && { sessionOnly: true }),
      }
    case 'level':
    case 'context':
      return {
        ...common,
        kind: 'bind',
        ...contextInstance(rule, rule.method, polydir, prefix, making),
        fresh: false,
        ...(rule.scope === 'session' && { sessionOnly: true }),
      }
  }
}

/** As pam_namespace names it: `CONTEXT_USER`, with the flag shared `CONTEXT`; where there is no context, `USER`. */
function contextInstance(
  rule: Rule,
  method: 'level' | 'context',
  polydir: string,
  prefix: string,
  making: Making,
): Pick<BindStep, 'parent' | 'name' | 'label' | 'shared'> {
  const { who, options, notes } = making
  const shared = rule.flags.includes('shared')
  const found = contextOf({ method, polydir, creates: rule.create !== null }, rule, options)
  if ('unavailable' in found) {
    // pam_namespace leaves the directory as it is then, without a word, and the session runs in the real one.
    if (shared) throw new UnsupportedError(`${polydir}, by method ${method} and shared`, found.unavailable)
    notes.push(`${polydir}: method ${method} is as good as method user here, for ${found.unavailable}`)
    return splitInstance(prefix + nameOf(rule, who.user, making), rule)
  }
  const { context } = found
  const difference = shared ? context : `${context}_${who.user}`
  return {
    ...splitInstance(prefix + nameOf(rule, difference, making), rule),
    label: context,
    ...(shared && { shared: true }),
  }
}

function contextOf(request: ContextRequest, rule: Rule, options: PlanOptions): InstanceContext {
  if (options.contextOf !== undefined) return options.contextOf(request)
  const message = `method '${rule.method}' needs SELinux contexts, which are not looked up here`
  throw new ConfigError(message, rule.file, rule.line, 1)
}

function nameOf(rule: Pick<Rule, 'scope'>, difference: string, { who, md5, options }: Making): string {
  return instanceName(rule, who, md5, { ...options, difference })
}

function splitInstance(path: string, rule: Rule): { parent: string; name: string } {
  const slash = path.lastIndexOf('/')
  const parent = path.slice(0, slash).replace(/\/+$/, '')
  if (parent === '') {
    throw new ConfigError(
      `instances of '${path}' would lie in / itself, which cannot be 000`,
      rule.file,
      rule.line,
      1,
    )
  }
  return { parent, name: path.slice(slash + 1) }
}
