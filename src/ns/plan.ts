/*
 * Rules and a request in, ordered steps out. Pure: nothing is opened or looked up here, so a plan can be printed, compared
 * with another (the same text: the sessions can share one namespace) and tested without root.
 */
import { appliesTo, expandRule, type Mode, type MountFlag, type Rule } from '../config/index.js'
import { ConfigError, UnsafePathError } from '../sys/errors.js'

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
}

/** Where scripts without a path of their own are, by the kind of file the rule stands in. */
const DEFAULT_SCRIPT: Readonly<Record<Mode, string>> = {
  strict: '/etc/polyns/namespace.init',
  compat: '/etc/security/namespace.init',
}

const NAME_MAX_LENGTH = 80 // longer ones are hashed, as pam_namespace does
const NAME_KEPT_LENGTH = 47

/**
 * @param md5 hex digest of a string; given by the caller, since only long names need it
 * @throws {ConfigError} a rule that is wrong for this user, or a method that is not there yet
 * @throws {UnsafePathError} a user name that cannot be the name of a directory
 */
export function makePlan(rules: readonly Rule[], mode: Mode, who: Who, md5: (text: string) => string): Plan {
  const applying = rules.filter((rule) => appliesTo(rule, who))
  if (applying.length > 0) assertUsableName(who.user)
  return {
    user: who.user,
    uid: who.uid,
    steps: applying.map((rule) => makeStep(rule, mode, who, md5)),
    joinable: applying.every((rule) => rule.method !== 'tmpdir' && rule.scope !== 'session'),
  }
}

/** What two plans must have in common for their sessions to share a namespace. */
export function planKey(plan: Plan): string {
  return JSON.stringify(plan)
}

function makeStep(rule: Rule, mode: Mode, who: Who, md5: (text: string) => string): Step {
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
        ...splitInstance(prefix + instanceName(rule, who, md5), rule),
        fresh: false,
      }
    default:
      throw new ConfigError(
        `method '${rule.method}' needs SELinux contexts, which this version does not make; use 'user'`,
        rule.file,
        rule.line,
        1,
      )
  }
}

/** `alice`, `alice.job123`, `alice.session7`; a name over 80 characters is cut to 47 and its md5. */
export function instanceName(rule: Pick<Rule, 'scope'>, who: Who, md5: (text: string) => string): string {
  const name =
    who.user.length > NAME_MAX_LENGTH ? `${who.user.slice(0, NAME_KEPT_LENGTH)}_${md5(who.user)}` : who.user
  if (rule.scope === 'session') return `${name}.session${who.sessionId}`
  return rule.scope === 'job' && who.jobId !== null ? `${name}.job${who.jobId}` : name
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

/**
 * A name becomes the last component of a path, so it must be one: pam_namespace binds the instance parent itself for a user
 * called `..`. And it must not look like another user's instance of one job or session.
 */
function assertUsableName(user: string): void {
  const why =
    user === ''
      ? 'is empty'
      : user === '.' || user === '..'
        ? 'is a directory of its own meaning'
        : user.includes('/') || user.includes('\0')
          ? 'holds a slash or a NUL'
          : user.startsWith('-')
            ? 'starts with a minus, which programs would take for an option'
            : /\.(job|session)[0-9A-Za-z_]+$/.test(user)
              ? 'would be taken for the instance of a job or a session'
              : null
  if (why !== null) throw new UnsafePathError(`user name '${user}'`, `${why}: it cannot name an instance`)
}
