/*
 * The way into namespaces of one's own, by unshare(1): root's, or through a user namespace, which everybody may make unless
 * the machine forbids it. Each way is tried on a command that does nothing, best first, so that what fails has done nothing.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { UnsupportedError } from '../../sys/errors.js'
import { getpwuid } from '../../sys/names.js'
import { type Refusal, userNamespacesBlockedBy } from '../../sys/probe.js'

/** A user who starts the demo decides nothing about which programs it runs. */
export const CLEAN_ENVIRONMENT = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' } as const

/** The uids of the two users of the demo: numbers that no range of systemd's UIDS-GIDS document gives to anybody. */
export const UIDS = { alice: 60601, bob: 60602 } as const

const UNSHARE = ['/usr/bin/unshare', '/bin/unshare']
const NAMESPACES = ['--mount', '--pid', '--fork', '--kill-child=KILL', '--propagation', 'private']

export interface WayIn {
  /** unshare(1) itself, and its options. */
  unshare: string
  flags: string[]
  /** Why there is one uid only in there; null: there are enough. */
  oneUid: string | null
}

/** What decides about the ways. */
export interface Facts {
  uid: number
  /** The user's name as it stands in /etc/subuid. */
  name: string
  subuid: string
  subgid: string
  hasNewuidmap: boolean
}

/** @throws {UnsupportedError} there is no way, with what forbids it and what helps */
export function findWayIn(): WayIn {
  const unshare = UNSHARE.find((path) => existsSync(path))
  if (unshare === undefined) {
    throw new UnsupportedError(
      'the demo',
      `needs unshare(1), of the package util-linux, as ${UNSHARE.join(' or ')}`,
    )
  }
  const facts = readFacts()
  let refused = ''
  let oneUid: string | null = null
  for (const way of waysIn(facts)) {
    const { status, stderr } = attempt(unshare, way.flags)
    if (status === 0) return { unshare, flags: way.flags, oneUid: way.oneUid ?? oneUid }
    refused = stderr.trim()
    oneUid = way.oneUid ?? `'unshare --map-auto' failed: ${shortly(refused)}`
  }
  throw noWay(facts.uid === 0, refused)
}

/** The ways, best first. `oneUid` null in a later one: the reason is that the one before it failed. */
export function waysIn(facts: Facts): { flags: string[]; oneUid: string | null }[] {
  const user = ['--user', '--map-root-user']
  const lacking = subordinatesLacking(facts)
  return [
    ...(facts.uid === 0 ? [{ flags: NAMESPACES, oneUid: null }] : []),
    ...(lacking === null ? [{ flags: [...user, '--map-auto', ...NAMESPACES], oneUid: null }] : []),
    { flags: [...user, ...NAMESPACES], oneUid: lacking },
  ]
}

/** What keeps a user namespace of this user from having uids for two more users; null: nothing. */
export function subordinatesLacking({ uid, name, subuid, subgid, hasNewuidmap }: Facts): string | null {
  if (!hasNewuidmap) return 'newuidmap and newgidmap (package uidmap) are not installed'
  for (const [kind, text] of [
    ['uid', subuid],
    ['gid', subgid],
  ] as const) {
    const count = subordinates(text, name, uid)
    if (count === 0) return `no subordinate ${kind}s for ${name} in /etc/sub${kind}`
    if (count <= UIDS.bob) return `only ${count} subordinate ${kind}s for ${name} in /etc/sub${kind}`
  }
  return null
}

/** How many ids the first range has that subuid(5) gives to a user; `unshare --map-auto` takes the first one. */
function subordinates(text: string, name: string, uid: number): number {
  for (const line of text.split('\n')) {
    const [owner, , count] = line.trim().split(':')
    if (owner === name || owner === `${uid}`) return Number(count) || 0
  }
  return 0
}

function readFacts(): Facts {
  const uid = process.geteuid?.() ?? 0
  const tools = ['newuidmap', 'newgidmap'].every((tool) =>
    CLEAN_ENVIRONMENT.PATH.split(':').some((dir) => existsSync(`${dir}/${tool}`)),
  )
  const name = getpwuid(uid)?.name ?? `${uid}`
  return { uid, name, subuid: read('/etc/subuid'), subgid: read('/etc/subgid'), hasNewuidmap: tools }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return '' // nobody has any
  }
}

function attempt(unshare: string, flags: readonly string[]) {
  return spawnSync(unshare, [...flags, '--', '/bin/sh', '-c', ':'], {
    cwd: '/',
    env: CLEAN_ENVIRONMENT,
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
    timeout: 10_000,
  })
}

function noWay(isRoot: boolean, stderr: string): UnsupportedError {
  const refusal: Refusal = /No space left/.test(stderr)
    ? 'ENOSPC'
    : /not permitted/.test(stderr)
      ? 'EPERM'
      : 'other'
  const { because, remedy } = userNamespacesBlockedBy(refusal)
  const lacks = isRoot
    ? 'root lacks CAP_SYS_ADMIN here, and user namespaces are refused too'
    : 'user namespaces are refused'
  const helps = [
    isRoot
      ? "run 'polyns demo' as an ordinary user or outside of this container"
      : "run 'polyns demo' as root",
    ...(remedy === null ? [] : [`allow them: '${remedy}'`]),
  ]
  return new UnsupportedError(
    'the demo needs namespaces of its own',
    `${lacks}: ${because}; ${helps.join(', or ')}`,
    { cause: new Error(stderr || 'unshare said nothing') },
  )
}

/** The first line of what unshare said, without its name. */
function shortly(stderr: string): string {
  return stderr.split('\n')[0]?.replace(/^unshare: /, '') || 'it said nothing'
}
