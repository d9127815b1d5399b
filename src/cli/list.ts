/* polyns list: who has a session, what each session has of its own, how much that is, and what lies there without one. */
import { resolve } from 'node:path'
import type { Usage } from '../cleanup/usage.js'
import { usesUtf8 } from './demo/picture.js'
import { parseDuration } from './duration.js'
import type { Io } from './io.js'
import { lookAtMachine } from './list-look.js'
import { drawList, namespacesOf, usersOf } from './list-picture.js'
import { type Holding, isOpen, type Machine, type SessionView } from './list-types.js'
import { requireRoot } from './root.js'

export interface ListFlags {
  json?: boolean
  budget: string
  config?: string
}

/** @throws {UnsupportedError} only root may know who has a session. {@link UsageError} for a budget that is no time */
export function list({ json, budget, config }: ListFlags, io: Io): void {
  requireRoot('listing the sessions')
  const machine = lookAtMachine({
    budgetMs: parseDuration('--budget', budget),
    config: config === undefined ? undefined : resolve(config),
  })
  if (json === true) io.out(`${JSON.stringify(toJson(machine))}\n`)
  else io.out(drawList(machine, { utf8: usesUtf8(process.env), color: io.color }, Date.now()))
}

/** Stable: fields are added, none is taken away. See docs/list.md. */
function toJson({ sessions, holdings, unknown, notes }: Machine) {
  const ofKind = (kinds: readonly Holding['kind'][]) => holdings.filter(({ kind }) => kinds.includes(kind))
  return {
    sessions: sessions.filter(({ isLive }) => isLive).map(sessionJson),
    ended: sessions.filter(({ isLive }) => !isLive).map(sessionJson),
    users: usersJson(sessions.filter(isOpen), holdings),
    instances: ofKind(['in use', 'ended', 'left']).map(({ path, polydir, user, uid, job, kind, usage }) => ({
      path,
      polydir,
      user,
      uid,
      job,
      inUse: kind === 'in use',
      ...usageJson(usage),
    })),
    leftovers: ofKind(['leftover']).map(({ path, usage }) => ({ path, ...usageJson(usage) })),
    unknown,
    notes,
  }
}

function sessionJson({ record, ageMs, processes }: SessionView) {
  const { id, user, uid, service, tty, rhost, job, leader, namespace, opened, ended = null } = record
  const mounts = record.mounts.map(({ polydir, instance, fresh }) => ({ polydir, instance, fresh }))
  const age = Math.floor(ageMs / 1000)
  return {
    id,
    user,
    uid,
    service,
    tty,
    rhost,
    job,
    pid: leader.pid,
    namespace,
    opened,
    mounts,
    age,
    ended,
    processes,
  }
}

function usersJson(open: readonly SessionView[], holdings: readonly Holding[]) {
  const own = new Map<number | null, Holding[]>()
  for (const holding of holdings) {
    const his = own.get(holding.uid)
    if (his === undefined) own.set(holding.uid, [holding])
    else his.push(holding)
  }
  return usersOf(open).map((his) => userJson(his, own.get(his[0]?.record.uid ?? null) ?? []))
}

function userJson(his: readonly SessionView[], own: readonly Holding[]) {
  const { user, uid } = his[0]?.record ?? { user: '', uid: 0 }
  const namespaces = namespacesOf(his)
  const counts = namespaces.flatMap((shared) => shared.find(({ processes }) => processes !== null) ?? [])
  const usages = own.flatMap(({ usage }) => usage ?? [])
  return {
    user,
    uid,
    sessions: his.length,
    namespaces: namespaces.length,
    processes: counts.reduce((sum, { processes }) => sum + (processes ?? 0), 0),
    instances: own.length,
    bytes: usages.reduce((sum, { bytes }) => sum + bytes, 0),
    complete: usages.length === own.length && usages.every(({ complete }) => complete),
  }
}

function usageJson(usage: Usage | null) {
  if (usage === null) return { bytes: null, complete: false, changed: null }
  return { bytes: usage.bytes, complete: usage.complete, changed: new Date(usage.changedMs).toISOString() }
}
