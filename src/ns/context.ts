/*
 * The methods level and context: an instance for each SELinux level, or for each context that the policy tells apart. What
 * pam_namespace asks of its own process is asked here of the application's: this process is another one, whose exec context
 * the kernel has used up. docs/selinux.md has the rules in a table.
 */
import { SyscallError, UnsafePathError, UnsupportedError } from '../sys/errors.js'
import type { Fd } from '../sys/fd.js'
import { O, RESOLVE } from '../sys/flags.js'
import { openat2 } from '../sys/path.js'
import { kernelHasSelinux, loadSelinux, type SelinuxApi } from '../sys/selinux.js'
import { labelOf } from './instance.js'
import { markedUid } from './marker.js'
import type { ContextRequest, InstanceContext } from './plan.js'
import { openSafe } from './safepath.js'

/** Whose context makes the difference: what the login will run as, what the application runs as, or the policy's default. */
export type ContextSource = 'exec' | 'current' | 'default'

/** Whom the session is for, and the thread that asks for it. */
export interface ContextSubject {
  user: string
  /** `/proc/PID/task/TID` of the PAM application. */
  proc: string
  source: ContextSource
}

/** The machine, or a table of contexts in its place. */
export interface ContextWorld {
  /** null: no libselinux. */
  selinux: () => SelinuxApi | null
  /** Whether the kernel has SELinux on, asked where there is no libselinux. */
  kernelHasSelinux: () => boolean
  /** The context of a polydir as the session's base has it; null: it is not there. */
  labelOfPolydir: (polydir: string) => string | null
}

/**
 * For makePlan: looks up the context of each instance that asks for one. Nothing is loaded before the first.
 * What it throws, the session is refused with:
 * {@link UnsupportedError} SELinux is on, but there is no libselinux, no exec context, or no label to start from;
 * {@link SyscallError} the policy has no answer; {@link UnsafePathError} the polydir's path
 */
export function contextLookup(
  subject: ContextSubject,
  world: ContextWorld = machine(subject),
): (request: ContextRequest) => InstanceContext {
  return (request) => {
    const selinux = usable(world)
    if (typeof selinux === 'string') return { unavailable: selinux }
    const source = sourceContext(subject, selinux)
    const polydir = polydirContext(request, selinux, world)
    const context =
      request.method === 'level' ? withLevelOf(polydir, source) : selinux.computeMember(source, polydir)
    return { context: asName(context) }
  }
}

/** For --require-selinux. @throws {UnsupportedError} SELinux is off */
export function requireSelinux(
  world: Pick<ContextWorld, 'selinux' | 'kernelHasSelinux'> = { selinux: loadSelinux, kernelHasSelinux },
): void {
  const selinux = usable(world)
  if (typeof selinux === 'string') throw new UnsupportedError('--require-selinux', selinux)
}

/** Why no instance can have a context here, in words; null: SELinux is on. @throws {UnsupportedError} on, but without its library */
export function whyNoContexts(): string | null {
  const selinux = usable({ selinux: loadSelinux, kernelHasSelinux })
  return typeof selinux === 'string' ? selinux : null
}

/** `user:role:type[:level]` with the level of another: pam_namespace's context_range_set(3). @throws {UnsupportedError} no context */
export function withLevelOf(context: string, other: string): string {
  const [user, role, type] = split(context)
  const [, , , level] = split(other)
  return [user, role, type, ...(level === undefined ? [] : [level])].join(':')
}

/** The level may have colons of its own: `s0:c1-s0:c1.c5`. */
function split(context: string): string[] {
  const [, user, role, type, level] = /^([^:\s]+):([^:\s]+):([^:\s]+)(?::(\S+))?$/.exec(context) ?? []
  if (user === undefined || role === undefined || type === undefined) {
    throw new UnsupportedError(
      `SELinux context '${context}'`,
      'is not user:role:type or user:role:type:level',
    )
  }
  return level === undefined ? [user, role, type] : [user, role, type, level]
}

/** @returns in words, why there is none */
function usable(world: Pick<ContextWorld, 'selinux' | 'kernelHasSelinux'>): SelinuxApi | string {
  const selinux = world.selinux()
  if (selinux?.isEnabled()) return selinux
  if (selinux === null && world.kernelHasSelinux()) {
    throw new UnsupportedError('SELinux', 'is on, but libselinux.so.1 is not there; install libselinux')
  }
  return 'SELinux is off'
}

function sourceContext({ user, proc, source }: ContextSubject, selinux: SelinuxApi): string {
  if (source === 'exec') {
    const exec = selinux.contextOf(proc, 'exec')
    if (exec !== null) return exec
    throw new UnsupportedError(
      'the SELinux context of the session',
      'the service has not set one (pam_selinux does); --use-default-context or --use-current-context do without',
    )
  }
  const current = selinux.contextOf(proc, 'current')
  if (current === null) throw new UnsupportedError(`the SELinux context of ${proc}`, 'is empty')
  return source === 'current' ? current : selinux.defaultContext(user, current)
}

function polydirContext(
  { polydir, creates }: ContextRequest,
  selinux: SelinuxApi,
  world: ContextWorld,
): string {
  const label = world.labelOfPolydir(polydir) ?? (creates ? selinux.defaultLabel(polydir) : null)
  if (label !== null) return label
  throw new UnsupportedError(`the SELinux context of '${polydir}'`, 'it has none, or is not there')
}

/** The context becomes a part of a path. */
function asName(context: string): string {
  if (!/[/\s\0]/.test(context)) return context
  throw new UnsafePathError(`SELinux context '${context}'`, 'holds what cannot be in the name of an instance')
}

function machine({ proc }: ContextSubject): ContextWorld {
  return {
    selinux: loadSelinux,
    kernelHasSelinux,
    labelOfPolydir: (polydir) => labelOfPolydir(polydir, proc),
  }
}

function labelOfPolydir(polydir: string, proc: string): string | null {
  try {
    // An application in a private session of ours sees an instance there: the directory itself is the host's.
    using dir = markedUid(proc) === null ? openSafe(polydir) : openOnHost(polydir)
    return labelOf(dir)?.toString().replace(/\0$/, '') ?? null
  } catch (error) {
    if (error instanceof SyscallError && error.code === 'ENOENT') return null
    throw error
  }
}

function openOnHost(polydir: string): Fd {
  using root = openat2(null, '/proc/1/root', O.O_PATH | O.O_DIRECTORY, 0)
  const below = RESOLVE.RESOLVE_BENEATH | RESOLVE.RESOLVE_NO_SYMLINKS
  return openat2(root, polydir.replace(/^\/+/, ''), O.O_PATH | O.O_DIRECTORY, below)
}

/**
 * What a polydir gets that `create` makes: the label that file_contexts has for it, as matchpathcon(8) prints it.
 * @returns null where SELinux is off or has no opinion: the kernel decides then
 */
export function labelForNew(polydir: string): string | null {
  if (!kernelHasSelinux()) return null
  const selinux = loadSelinux()
  return selinux?.isEnabled() ? selinux.defaultLabel(polydir) : null
}
