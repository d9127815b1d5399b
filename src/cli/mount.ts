/*
 * polyns mount and polyns umount: one errand to every running namespace, and a line on what became of it in each.
 */
import { resolve } from 'node:path'
import { loadConfig } from '../config/index.js'
import { enterHost } from '../ns/enter.js'
import { ensureRunDirectories } from '../ns/rundir.js'
import type { Errand, Outcome } from '../propagation/live.js'
import { commOf, inhabitedNamespaces } from '../propagation/live-find.js'
import { lockRuntime } from '../propagation/runtime.js'
import { readRecords } from '../session/registry.js'
import { systemNames } from '../session/request.js'
import { escapeControls } from '../sys/call.js'
import { UsageError } from '../sys/errors.js'
import { getpwuid } from '../sys/names.js'
import { explainRights, requireKernel } from '../sys/probe.js'
import { parseDuration } from './duration.js'
import type { Io } from './io.js'
import { sendWorkers, type Told } from './mount-workers.js'
import { EXIT } from './report.js'
import { requireRoot } from './root.js'

export interface MountFlags {
  all?: boolean
  lazy?: boolean
  timeout: string
  dryRun?: boolean
  json?: boolean
}

/** @returns the exit status: 1 when a namespace failed or is stuck */
export async function carryOut(
  action: Errand['action'],
  path: string,
  flags: MountFlags,
  io: Io,
): Promise<number> {
  const timeoutMs = parseDuration('--timeout', flags.timeout)
  const { all = false, lazy = false, dryRun = false, json = false } = flags
  const absolute = resolve(path)
  if (absolute === '/') throw new UsageError(`${action} / is not for running sessions`)
  requireRoot(`polyns ${action}`)
  requireKernel()
  try {
    enterHost()
    const errand: Errand = { action, path: absolute, all, lazy, dryRun, ...ownDirectories(action) }
    using _lock = dryRun ? null : lock()
    const told: Told[] = []
    const print = new Printer(errand, io)
    const status = await sendWorkers(errand, inhabitedNamespaces(), timeoutMs, {
      found: (what) => (json ? undefined : print.header(what)),
      told: (one) => {
        told.push(one)
        if (!json) print.line(one)
      },
    })
    if (status !== EXIT.ok) return status
    if (json) io.out(`${JSON.stringify({ action, path: absolute, dryRun, namespaces: told.map(toJson) })}\n`)
    else print.footer(told)
    return told.some(({ outcome }) => outcome === 'failed' || outcome === 'stuck') ? EXIT.failed : EXIT.ok
  } catch (error) {
    throw explainRights(`polyns ${action}`, error)
  }
}

/** What sessions have of their own is not the host's to unmount. A configuration that is broken still has its good lines. */
function ownDirectories(action: Errand['action']): Pick<Errand, 'polydirs' | 'rules'> {
  if (action === 'mount') return { polydirs: [], rules: [] }
  const polydirs = new Set(readRecords().flatMap(({ mounts }) => mounts.map(({ polydir }) => polydir)))
  return { polydirs: [...polydirs], rules: loadConfig({ names: systemNames }).rules }
}

/** Two at once would both find it missing, and mount it twice. */
function lock(): Disposable {
  ensureRunDirectories()
  return lockRuntime()
}

function userOf(uid: number | null): string {
  return uid === null ? '-' : (getpwuid(uid)?.name ?? `${uid}`)
}

function toJson({ outcome, uid, why, namespace }: Told) {
  const user = uid === null ? null : userOf(uid)
  return { outcome, user, uid, namespace: Number(namespace.inode), pids: namespace.pids, why }
}

const COLORS: Record<Outcome, string> = {
  mounted: '\x1b[32m',
  unmounted: '\x1b[32m',
  would: '\x1b[36m',
  already: '\x1b[2m',
  left: '\x1b[33m',
  failed: '\x1b[31m',
  stuck: '\x1b[31m',
}

/** Lines as they come: a thousand sessions are no reason to wait for the last one. */
class Printer {
  constructor(
    readonly errand: Errand,
    readonly io: Io,
  ) {}

  header(what: string): void {
    const does = this.errand.action === 'mount' ? 'mount' : 'unmount'
    this.io.out(
      `${does} ${escapeControls(what)} in every private namespace${this.errand.all ? ', and in all others' : ''}\n`,
    )
  }

  line({ outcome, uid, why, namespace }: Told): void {
    const [pid = 0, ...more] = namespace.pids
    const word = outcome.padEnd(9)
    const shown = this.io.color ? `${COLORS[outcome]}${word}\x1b[0m` : word
    const who = `pid ${pid} (${commOf(pid)})${more.length === 0 ? '' : ` and ${more.length} more`}`
    const text = `${userOf(uid).padEnd(12)} ${namespace.inode}  ${who}${why === '' ? '' : `  # ${why}`}`
    this.io.out(`${shown}  ${escapeControls(text)}\n`)
  }

  footer(told: readonly Told[]): void {
    const counts = new Map<Outcome, number>()
    for (const { outcome } of told) counts.set(outcome, (counts.get(outcome) ?? 0) + 1)
    const sum = Array.from(counts, ([outcome, count]) => `${count} ${outcome}`).join(', ')
    this.io.out(`${sum === '' ? 'no other namespace is there' : sum}\n`)
    if (this.errand.dryRun) this.io.out('dry run: nothing was changed\n')
  }
}
