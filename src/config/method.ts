/*
 * Field 3: method[:flag[=value]]...
 *
 * It is cut at every colon, so no value can contain one; empty parts are passed over. pam_namespace knows a
 * flag of its own by how the word begins ("createfoo" is create); the flags of polyns are known as a whole.
 */
import { readCreate } from './create.js'
import { MOUNT_FLAGS, readMountOptions } from './mntopts.js'
import { type Reporter, show } from './problem.js'
import type { Method, MountFlag, Names, PamFlag, Rule, Scope } from './types.js'
import type { Word } from './words.js'

const METHODS: readonly Method[] = ['user', 'level', 'context', 'tmpdir', 'tmpfs']
const SCOPES: readonly Scope[] = ['user', 'session', 'job']
/** In the order in which rules list them. */
const PAM_FLAGS: readonly PamFlag[] = ['create', 'noinit', 'shared', 'iscript', 'mntopts']
const OWN_FLAGS = ['scope', 'keep', 'carry', ...MOUNT_FLAGS] as const
const ALLOWED_FLAGS =
  'create[=mode[,owner[,group]]], iscript=path, noinit, shared, mntopts=options, ' +
  'scope=user|session|job, keep=name,..., carry=pattern,..., nosuid, nodev, noexec'
const SCRIPT_DIRECTORY = { strict: '/etc/polyns/namespace.d/', compat: '/etc/security/namespace.d/' }

type Flag = PamFlag | (typeof OWN_FLAGS)[number]

/** What field 3 says about a rule. */
export type MethodField = Omit<Rule, 'file' | 'line' | 'polydir' | 'prefix' | 'users'>

/** @returns null when there is no method to speak of; the reporter knows why. */
export function readMethod(word: Word, names: Names, reporter: Reporter): MethodField | null {
  const parts = word.split(':')
  const [name, ...flags] = parts.filter((part) => part.text !== '')
  const allowed = `${METHODS.join(', ')}${reporter.mode === 'strict' ? ', dir' : ''}`
  if (name === undefined) {
    reporter.report('empty-method', word.column, 'the method is empty; pam_namespace crashes on this line', {
      allowed,
    })
    return null
  }
  const method = methodNamed(name.text, reporter)
  if (method === undefined) {
    reporter.report('unknown-method', name.column, `unknown method ${show(name.text)}`, { allowed })
    return null
  }
  for (const part of parts) {
    if (part.text !== '') continue
    reporter.report('empty-flag', part.column, 'an empty flag', {
      allowed: ALLOWED_FLAGS,
      compat: 'it is ignored',
    })
  }
  return new FlagReader(method, names, reporter).read(flags)
}

function methodNamed(name: string, reporter: Reporter): Method | undefined {
  if (name === 'dir' && reporter.mode === 'strict') return 'user'
  return METHODS.find((method) => method === name)
}

/** Goes through the flags of one line; the last of two wins, as in pam_namespace. */
class FlagReader {
  private readonly seen = new Map<Flag, Word>()
  private readonly field: MethodField
  private ownMountFlags: MountFlag[] = []
  private optionMountFlags: MountFlag[] = []

  constructor(
    method: Method,
    private readonly names: Names,
    private readonly reporter: Reporter,
  ) {
    const nothing = { create: null, iscript: null, mntopts: null }
    this.field = { method, scope: 'user', flags: [], ...nothing, mountFlags: [], keep: [], carry: [] }
  }

  read(words: readonly Word[]): MethodField {
    for (const word of words) this.readFlag(word)
    this.judgeTogether()
    const mountFlags = [...this.ownMountFlags, ...this.optionMountFlags]
    return {
      ...this.field,
      flags: PAM_FLAGS.filter((flag) => this.seen.has(flag)),
      mountFlags: MOUNT_FLAGS.filter((flag) => mountFlags.includes(flag)),
    }
  }

  private readFlag(word: Word) {
    const equals = word.chars.indexOf('=')
    const name = word.slice(0, equals === -1 ? undefined : equals).text
    const flag =
      PAM_FLAGS.find((known) => word.text.startsWith(known)) ?? OWN_FLAGS.find((own) => own === name)
    if (flag !== name) {
      const colon = this.seen.has('mntopts') ? '; the value of mntopts= cannot contain a colon' : ''
      this.reporter.report('unknown-flag', word.column, `unknown flag ${show(name)}${colon}`, {
        allowed: ALLOWED_FLAGS,
        compat: flag === undefined ? 'it is ignored' : `it is read as "${flag}"`,
      })
    }
    if (flag === undefined) return
    if (this.seen.has(flag)) {
      const compat = 'the last one counts'
      this.reporter.report('duplicate-flag', word.column, `the flag "${flag}" is given twice`, { compat })
    }
    this.seen.set(flag, word)
    const value = equals === -1 || flag !== name ? null : word.slice(equals + 1)
    if (OWN_FLAGS.some((own) => own === flag)) {
      this.reporter.report(
        'extension',
        word.column,
        `polyns uses ${show(word.text)}, pam_namespace ignores it`,
      )
    }
    this.apply(flag, value, word)
  }

  private apply(flag: Flag, value: Word | null, word: Word) {
    switch (flag) {
      case 'create':
        this.field.create = readCreate(value, this.names, this.reporter)
        break
      case 'iscript':
        this.applyScript(value, word)
        break
      case 'mntopts':
        this.applyMountOptions(value, word)
        break
      case 'scope': {
        const scope = SCOPES.find((known) => known === value?.text)
        if (scope === undefined)
          this.reject(flag, value ?? word, SCOPES.map((known) => `scope=${known}`).join(', '))
        else this.field.scope = scope
        break
      }
      case 'keep':
      case 'carry':
        this.field[flag] = this.readEntries(flag, value, word)
        break
      default:
        if (value !== null) this.reject(flag, value, `${flag} without a value`)
        // For pam_namespace "noinit=no" is noinit; a flag of ours with such a value is left out.
        else if (flag !== 'noinit' && flag !== 'shared') this.ownMountFlags.push(flag)
    }
  }

  private applyScript(value: Word | null, word: Word) {
    if (value === null || value.text === '') {
      const more = { allowed: 'iscript=path', compat: 'the default script is used' }
      this.reporter.report('bad-value', value?.column ?? word.column, 'iscript names no script', more)
      return
    }
    const isAbsolute = value.text.startsWith('/')
    this.field.iscript = isAbsolute ? value.text : SCRIPT_DIRECTORY[this.reporter.mode] + value.text
  }

  private applyMountOptions(value: Word | null, word: Word) {
    if (this.field.method !== 'tmpfs') {
      this.reporter.report('wrong-method', word.column, 'mntopts has an effect only with the method tmpfs', {
        allowed: 'nosuid, nodev and noexec as flags of their own',
        compat: 'it is ignored',
      })
      return
    }
    if (value === null) {
      const more = { allowed: 'mntopts=option,...', compat: 'it is ignored' }
      this.reporter.report('bad-value', word.column, 'mntopts has no value', more)
      return
    }
    const options = readMountOptions(value, this.reporter)
    this.field.mntopts = options.data
    this.optionMountFlags = options.flags
  }

  /** Names of files in the real directory: never a path, which could lead out of it. */
  private readEntries(flag: 'keep' | 'carry', value: Word | null, word: Word): string[] {
    const entries = value?.split(',') ?? [word.slice(word.chars.length)]
    const allowed = `${flag}= and names without slashes, with commas${flag === 'carry' ? '; * and ? are wildcards' : ''}`
    return entries
      .filter(({ text, column }) => {
        const isName = text !== '' && text !== '.' && text !== '..' && !/[/\0]/.test(text)
        const isFine = isName && (flag === 'carry' || !/[*?]/.test(text))
        const more = { allowed, compat: 'it is ignored' }
        if (!isFine)
          this.reporter.report('bad-value', column, `${flag}= cannot have the entry ${show(text)}`, more)
        return isFine
      })
      .map((entry) => entry.text)
  }

  private reject(flag: Flag, at: Word, allowed: string) {
    const compat = flag === 'noinit' || flag === 'shared' ? 'the value is ignored' : 'the flag is ignored'
    this.reporter.report('bad-value', at.column, `the flag "${flag}" cannot have this value`, {
      allowed,
      compat,
    })
  }

  private judgeTogether() {
    const { method } = this.field
    const shared = this.seen.get('shared')
    if (shared !== undefined && method !== 'level' && method !== 'context') {
      const message = 'shared has an effect only with the methods level and context'
      this.reporter.report('wrong-method', shared.column, message, { compat: 'it is ignored' })
    }
    const scope = this.seen.get('scope')
    if (scope !== undefined && method === 'tmpdir' && this.field.scope !== 'session') {
      const message = 'a tmpdir is always fresh for each session'
      this.reporter.report('wrong-method', scope.column, message, {
        allowed: 'scope=session',
        compat: 'it is ignored',
      })
    }
    const script = this.seen.get('iscript')
    if (script !== undefined && this.seen.has('noinit')) {
      this.reporter.report('unused-flag', script.column, 'the script does not run, because of noinit')
    }
  }
}
