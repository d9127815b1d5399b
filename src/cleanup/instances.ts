/*
 * What lies in the instance parents: whose instance each entry is, told by its name alone, and what was left half-done. Looks
 * only. An entry whose owner cannot be told is never touched: a name service that does not answer must not cost anybody files.
 */
import { readdirSync, statSync } from 'node:fs'
import type { Names, Rule } from '../config/index.js'
import { parentFaults, UNFINISHED } from '../ns/instance.js'
import { openSafe } from '../ns/safepath.js'
import { wasEveryLockFree } from '../session/lock.js'
import { SyscallError, UnsafePathError } from '../sys/errors.js'
import type { Fd } from '../sys/fd.js'
import type { Stat } from '../sys/stat.js'
import { type Instance, REAPED, statEntry } from './instance.js'

export interface FoundInstance extends Instance {
  name: string
  user: string
  uid: number
  /** The SLURM job it is for; null: all of the user's sessions, or one. */
  job: string | null
}

/** What was one session's only. */
export interface SessionDirectory extends Instance {
  name: string
  /** Whose next session might bear the same name; null: names are random. */
  uid: number | null
}

export interface Leftover {
  parent: string
  name: string
}

export interface Inventory {
  instances: FoundInstance[]
  /** Set aside or never finished: nobody's, to be deleted. */
  leftovers: Leftover[]
  /** What stays because it cannot be judged. */
  unknown: { path: string; why: string }[]
  /** Those of `unknown` that go with a session, and are old enough for it to have been recorded. */
  ofSessions: SessionDirectory[]
}

/** Somebody may be at work on it, perhaps one whose lock is not in our /run. */
const YOUNG_MS = 600_000
const OF_TMPDIR = /^[0-9a-f]{8}$/ // ns/instance.ts, makeFreshDirectory

/** @throws {UnsafePathError} a parent is not root's alone: logins are refused on this machine, and root must not delete there */
export function takeInventory(rules: readonly Rule[], names: Names): Inventory {
  const inventory: Inventory = { instances: [], leftovers: [], unknown: [], ofSessions: [] }
  const unfinished: Leftover[] = []
  const seen = new Set<string>()
  for (const { parent, base, method } of places(rules)) {
    const dir = openParent(parent)
    if (dir === null) continue
    using opened = dir
    for (const name of readdirSync(opened.procPath)) {
      const path = `${parent}/${name}`
      if (seen.has(path)) continue
      if (name.startsWith(REAPED) || name.startsWith(UNFINISHED)) {
        seen.add(path)
        if (name.startsWith(REAPED)) inventory.leftovers.push({ parent, name })
        else if (!isYoung(opened, name)) unfinished.push({ parent, name })
      } else if (name.startsWith(base)) {
        seen.add(path)
        judge(opened, { path, name, rest: name.slice(base.length), method }, names, inventory)
      }
    }
  }
  inventory.leftovers.push(...unfinished)
  const isNobodys = ({ uid }: SessionDirectory) => uid === null
  if (unfinished.length === 0 && !inventory.ofSessions.some(isNobodys)) return inventory
  // Their age is by a clock that may have been set just now. Who makes one has his user's lock, and lets it go when it is recorded.
  if (wasEveryLockFree()) return inventory
  return {
    ...inventory,
    leftovers: inventory.leftovers.filter((one) => !unfinished.includes(one)),
    ofSessions: inventory.ofSessions.filter((one) => !isNobodys(one)),
  }
}

interface Candidate {
  path: string
  name: string
  /** The name without the rule's prefix. */
  rest: string
  method: Rule['method']
}

function judge(
  parent: Fd,
  { path, name, rest, method }: Candidate,
  names: Names,
  inventory: Inventory,
): void {
  if (method !== 'user' && method !== 'tmpdir') {
    inventory.unknown.push({ path, why: `instances of method ${method} are not judged` })
    return
  }
  const stat = ifThere(parent, name)
  if (stat === null) return
  if (stat === 'mount') {
    inventory.unknown.push({ path, why: 'something is mounted on it' })
    return
  }
  const instance = { instance: path, dev: stat.dev, ino: `${stat.ino}`, name }
  const [, login, suffix] = /^(.+?)(\.(?:job\d+|session[acp]?\d[\d_]*))?$/.exec(rest) ?? []
  const user = login === undefined ? null : names.userByName(login)
  if (stat.type !== 'directory') inventory.unknown.push({ path, why: `it is a ${stat.type}` })
  else if (method === 'tmpdir') {
    inventory.unknown.push({ path, why: 'it goes with its session' })
    const isOurs = user === null && OF_TMPDIR.test(rest)
    if (isOurs && !isYoung(parent, name)) inventory.ofSessions.push({ ...instance, uid: null })
  } else if (user === null) inventory.unknown.push({ path, why: `no user is called '${login ?? rest}'` })
  else if (suffix?.startsWith('.session')) {
    inventory.unknown.push({ path, why: 'it goes with its session' })
    if (!isYoung(parent, name)) inventory.ofSessions.push({ ...instance, uid: user.uid })
  } else {
    const job = suffix === undefined ? null : suffix.slice('.job'.length)
    inventory.instances.push({ ...instance, user: login ?? '', uid: user.uid, job })
  }
}

/** null: another epilog or reap has just renamed it aside. */
function ifThere(parent: Fd, name: string): Stat | 'mount' | null {
  try {
    return statEntry(parent, name)
  } catch (error) {
    if (error instanceof SyscallError && error.code === 'ENOENT') return null
    if (error instanceof SyscallError && error.code === 'EXDEV') return 'mount'
    throw error
  }
}

/** The parents that are the same for every user, with how the names in them begin. */
function places(rules: readonly Rule[]): { parent: string; base: string; method: Rule['method'] }[] {
  return rules.flatMap(({ prefix, method }) => {
    const slash = prefix.lastIndexOf('/')
    const parent = prefix.slice(0, slash).replace(/\/+$/, '')
    if (method === 'tmpfs' || parent === '' || /\$(USER|HOME)/.test(prefix)) return []
    return [{ parent, base: prefix.slice(slash + 1), method }]
  })
}

function openParent(path: string): Fd | null {
  let parent: Fd
  try {
    parent = openSafe(path)
  } catch (error) {
    if (error instanceof SyscallError && error.code === 'ENOENT') return null // nobody has logged in yet
    throw error
  }
  const faults = parentFaults(parent)
  if (faults.length === 0) return parent
  parent[Symbol.dispose]()
  throw new UnsafePathError(
    path,
    `${faults.join(', ')}; 'polyns setup' repairs an instance parent that root owns`,
  )
}

function isYoung(parent: Fd, name: string): boolean {
  try {
    return Date.now() - statSync(`${parent.procPath}/${name}`).ctimeMs < YOUNG_MS
  } catch {
    return true
  }
}
