/*
 * The options of `polyns pam`. They are read here and not by commander, which a login would have to wait for; the command
 * tree takes its help from the same table.
 */
import type { ContextSource } from '../ns/context.js'
import type { View } from '../session/open.js'
import { UsageError } from '../sys/errors.js'

export interface PamOptions {
  config: string | undefined
  failOpen: boolean
  target: number | undefined
  debug: boolean
  /** Seconds that opening, or closing, may take. */
  timeout: number
  view: View
  /** PAM services whose sessions are left alone. */
  skip: readonly string[]
  genHash: boolean
  ignoreParentMode: boolean
  ignoreConfigError: boolean
  requireSelinux: boolean
  /** For the methods level and context. */
  contexts: ContextSource
}

interface Option {
  name: string
  /** What its value is called, if it takes one. */
  value?: string
  help: string
  apply(options: PamOptions, value: string): void
}

type Switch = { [Key in keyof PamOptions]: PamOptions[Key] extends boolean ? Key : never }[keyof PamOptions]

function flag(name: string, key: Switch, help: string): Option {
  return {
    name,
    help,
    apply: (options) => {
      options[key] = true
    },
  }
}

/** Below the two minutes that sshd gives a login, sshd_config(5), LoginGraceTime. */
const DEFAULT_TIMEOUT_S = 60
const MAX_TIMEOUT_S = 3600

export const PAM_OPTIONS: readonly Option[] = [
  {
    name: '--config',
    value: 'FILE',
    help: 'read FILE, strictly, in place of the default configuration',
    apply: (options, value) => {
      options.config = value
    },
  },
  flag(
    '--fail-open',
    'failOpen',
    "when it fails, let the session go on in the host's view, with a LOG_ALERT",
  ),
  {
    name: '--global',
    help: "enter the host's own namespace, whoever the user is; for sudo and su to root",
    apply: (options) => setView(options, 'global'),
  },
  {
    name: '--unmnt-remnt',
    help: "leave the requesting user's view for the user's own private one, or the host's",
    apply: (options) => setView(options, 'unmnt-remnt'),
  },
  {
    name: '--unmnt-only',
    help: "leave the requesting user's view, and make no private one in its place",
    apply: (options) => setView(options, 'unmnt-only'),
  },
  {
    name: '--skip',
    value: 'SERVICES',
    help: 'do nothing for these PAM services, separated by commas',
    apply: (options, value) => {
      options.skip = [...options.skip, ...value.split(',')]
    },
  },
  flag('--gen-hash', 'genHash', 'name each instance by the md5 of its name'),
  flag('--require-selinux', 'requireSelinux', 'refuse the session where SELinux is off'),
  {
    name: '--use-current-context',
    help: "for level and context, the SELinux context of the service in place of the session's",
    apply: (options) => setContexts(options, 'current'),
  },
  {
    name: '--use-default-context',
    help: "for level and context, the user's default SELinux context in place of the session's",
    apply: (options) => setContexts(options, 'default'),
  },
  flag(
    '--ignore-config-error',
    'ignoreConfigError',
    'where no last good configuration is kept, leave out the lines that cannot be used',
  ),
  flag(
    '--ignore-instance-parent-mode',
    'ignoreParentMode',
    'use an instance parent whatever its mode and owner',
  ),
  { name: '--mount-private', help: 'accepted for pam_namespace, and always so', apply: () => {} },
  { name: '--unmount-on-close', help: 'accepted for pam_namespace, and not needed', apply: () => {} },
  {
    name: '--target',
    value: 'PID',
    help: 'the application to move, in place of the parent process',
    apply: (options, value) => {
      if (!/^[1-9]\d{0,9}$/.test(value)) throw new UsageError(`--target takes a process id, not '${value}'`)
      options.target = Number(value)
    },
  },
  {
    name: '--timeout',
    value: 'SECONDS',
    help: `how long it may take to open a session, and to close one, without hooks (${DEFAULT_TIMEOUT_S})`,
    apply: (options, value) => {
      const seconds = /^[1-9]\d{0,3}$/.test(value) ? Number(value) : 0
      if (seconds < 1 || seconds > MAX_TIMEOUT_S) {
        throw new UsageError(`--timeout takes seconds, 1 to ${MAX_TIMEOUT_S}, not '${value}'`)
      }
      options.timeout = seconds
    },
  },
  flag('--debug', 'debug', 'log every kernel call to syslog'),
]

/** @throws {UsageError} naming the option, and those there are */
export function parsePamOptions(args: readonly string[]): PamOptions {
  const options: PamOptions = {
    config: undefined,
    failOpen: false,
    target: undefined,
    debug: false,
    timeout: DEFAULT_TIMEOUT_S,
    view: 'own',
    skip: [],
    genHash: false,
    ignoreParentMode: false,
    ignoreConfigError: false,
    requireSelinux: false,
    contexts: 'exec',
  }
  const rest = [...args]
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    const equals = arg.indexOf('=')
    const name = equals < 0 ? arg : arg.slice(0, equals)
    const option = PAM_OPTIONS.find((one) => one.name === name)
    if (option === undefined) {
      const known = PAM_OPTIONS.map((one) => one.name).join(', ')
      throw new UsageError(`unknown option '${arg}'; 'polyns pam' takes ${known}`)
    }
    const given = equals < 0 ? undefined : arg.slice(equals + 1)
    if (option.value === undefined) {
      if (given !== undefined) throw new UsageError(`${name} takes no value`)
      option.apply(options, '')
    } else {
      const value = given ?? rest.shift()
      if (value === undefined) throw new UsageError(`${name} needs a value: ${option.value}`)
      option.apply(options, value)
    }
  }
  return options
}

function setView(options: PamOptions, view: View): void {
  if (options.view !== 'own' && options.view !== view) {
    throw new UsageError(`--${options.view} and --${view} exclude each other`)
  }
  options.view = view
}

function setContexts(options: PamOptions, contexts: ContextSource): void {
  if (options.contexts !== 'exec' && options.contexts !== contexts) {
    throw new UsageError('--use-current-context and --use-default-context exclude each other')
  }
  options.contexts = contexts
}
