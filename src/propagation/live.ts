/*
 * Brings one mount of the host, or its end, into running namespaces. A detached copy of the host's mount is made on the
 * host, attached in the namespace, and stays a slave of the host's: what the host mounts below it later arrives there, and
 * nothing leaves. Any lookup in here may wait for ever, for a server that is gone: cli/mount.ts runs this in a process
 * that it can do without.
 */
import { readFileSync, readlinkSync } from 'node:fs'
import { dirname, relative } from 'node:path'
import { expandRule, type Rule } from '../config/index.js'
import { type Mount, parseMountinfo } from '../mountinfo/parse.js'
import { mountIdOf, readMounts } from '../mountinfo/read.js'
import { MountTable } from '../mountinfo/table.js'
import { enter, enterHost, hostNamespace, type MountNamespace } from '../ns/enter.js'
import { isOurs } from '../ns/join.js'
import { uidOfMark } from '../ns/marker.js'
import { openSafeParent } from '../ns/safepath.js'
import { during, ignoring } from '../sys/call.js'
import { messageOf, SyscallError, UnsafePathError, UsageError } from '../sys/errors.js'
import type { Fd } from '../sys/fd.js'
import { MNT, MS, O, RESOLVE } from '../sys/flags.js'
import { mountSetattr, moveMount, openTreeClone, umount2 } from '../sys/mount.js'
import { getpwuid } from '../sys/names.js'
import { fchdir, openat2 } from '../sys/path.js'
import { type Stat, sameFile, statx } from '../sys/stat.js'
import { type Inhabited, openInhabited, usersOf } from './live-find.js'
import { type HostView, judgeMount, judgeUmount, nameOf, type View } from './live-judge.js'

export interface Errand {
  action: 'mount' | 'umount'
  /** Absolute. */
  path: string
  /** Also into namespaces that polyns did not make. */
  all: boolean
  /** umount: take it away from under those who use it. */
  lazy: boolean
  dryRun: boolean
  /** umount: the directories that are private to sessions, and so not the host's. */
  polydirs: readonly string[]
  rules: readonly Rule[]
}

export type Outcome = 'mounted' | 'unmounted' | 'would' | 'already' | 'left' | 'failed' | 'stuck'

export interface Result {
  outcome: Outcome
  /** Whose namespace; null: none of polyns'. */
  uid: number | null
  why: string
}

const DIRECTORY = O.O_PATH | O.O_DIRECTORY

/** The host's side of an errand; this thread is in the host's namespace between two calls of `carryOut`. */
export class Messenger implements Disposable {
  readonly #host: MountNamespace
  readonly #proc: Fd
  readonly #view: HostView
  readonly #parent: Stat
  readonly #name: string
  /** The host's mount; null for umount, where it may be gone already. */
  readonly #source: Fd | null

  /**
   * @throws {UsageError} the host has no mount at that path
   * @throws {UnsafePathError} a symbolic link that a user can write
   */
  constructor(readonly errand: Errand) {
    enterHost()
    this.#host = hostNamespace()
    // A namespace may have another /proc, or none.
    this.#proc = openat2(null, '/proc', DIRECTORY, 0)
    const { dir, name } = openSafeParent(errand.path)
    using parent = dir
    this.#parent = statx(parent)
    this.#name = name
    const path = `${readlinkSync(parent.procPath).replace(/\/$/, '')}/${name}`
    if (errand.action === 'mount') automount(parent, name)
    this.#view = { table: readMounts(), path }
    this.#source = errand.action === 'mount' ? this.#openSource(parent) : null
  }

  /** For people: `/srv/data (ext4 /dev/vdb1)`. */
  get what(): string {
    const { table, path } = this.#view
    const top = table.at(path)
    return top === null ? path : `${path} (${nameOf(top)})`
  }

  /** Never throws for what is wrong in that namespace: the result says it. @throws when there is no way back to the host */
  carryOut(inhabited: Inhabited): Result {
    const namespace = openInhabited(inhabited)
    if (namespace === null) return { outcome: 'left', uid: null, why: 'it has just ended' }
    using open = namespace
    if (!isOurs(open))
      return { outcome: 'left', uid: null, why: 'it belongs to another user namespace: never entered' }
    let uid: number | null = null
    let error: unknown
    enter(open)
    try {
      const text = this.#mountinfo()
      uid = uidOfMark(text)
      if (uid === null && !this.errand.all)
        return { outcome: 'left', uid, why: "not one of polyns'; --all is for those too" }
      return { uid, ...this.#act(open, new MountTable(parseMountinfo(text)), uid, inhabited.pids) }
    } catch (caught) {
      error = caught
    } finally {
      enter(this.#host)
    }
    return { outcome: 'failed', uid, why: this.#explain(error, inhabited) }
  }

  [Symbol.dispose](): void {
    this.#source?.[Symbol.dispose]()
    this.#proc[Symbol.dispose]()
    this.#host[Symbol.dispose]()
  }

  #openSource(parent: Fd): Fd {
    const { table, path } = this.#view
    const top = table.at(path)
    if (top === null) {
      const link = statx(parent, this.#name).type === 'symlink' ? ' but a symbolic link' : ''
      throw new UsageError(`${path} is no mount point on the host${link}: there is nothing to bring`)
    }
    const source = openat2(parent, this.#name, O.O_PATH | O.O_NOFOLLOW, RESOLVE.RESOLVE_NO_SYMLINKS)
    if (mountIdOf(source) === top.id) return source
    source[Symbol.dispose]()
    throw new UnsafePathError(path, 'was mounted or unmounted just now; try again')
  }

  #act(
    namespace: MountNamespace,
    table: MountTable,
    uid: number | null,
    pids: readonly number[],
  ): Omit<Result, 'uid'> {
    const { action, dryRun } = this.errand
    using parent = this.#openParent()
    const isSameParent = parent !== null && sameFile(statx(parent), this.#parent)
    const view: View = { table, isSameParent, polydirs: action === 'umount' ? this.#polydirsOf(uid) : [] }
    const refusal = (action === 'mount' ? judgeMount : judgeUmount)(this.#view, view)
    if (refusal !== null) return refusal
    if (parent === null) throw new Error('a directory that is not there was found right')
    if (dryRun) return { outcome: 'would', why: '' }
    if (action === 'umount') return this.#unmount(parent, table, pids)
    return this.#mount(namespace, parent)
  }

  #mount(namespace: MountNamespace, parent: Fd): Omit<Result, 'uid'> {
    using target = openat2(parent, this.#name, O.O_PATH | O.O_NOFOLLOW, RESOLVE.RESOLVE_NO_SYMLINKS)
    if (this.#source === null) throw new Error('there is nothing to mount')
    enter(this.#host) // open_tree copies only what is in the namespace of the caller
    using clone = openTreeClone(this.#source, { recursive: true })
    mountSetattr(clone, 0, MS.MS_SLAVE, { recursive: true })
    enter(namespace)
    moveMount(clone, target) // where the session's mounts are shared, this one becomes so too
    return { outcome: 'mounted', why: '' }
  }

  /** What came with it, the last first; each by its name in an open directory, and only if it is still that mount. */
  #unmount(parent: Fd, table: MountTable, pids: readonly number[]): Omit<Result, 'uid'> {
    const top = table.at(this.#view.path)
    if (top === null) return { outcome: 'already', why: '' }
    const below = this.errand.lazy ? [] : table.descendantsOf(top)
    // Asked first, or what is below would be gone when the kernel refuses the rest.
    if (below.length > 0 && usersOf(top.mountPoint, pids).length > 0)
      return { outcome: 'failed', why: inUseBy(top.mountPoint, pids) }
    for (const mount of [...below].reverse()) this.#unmountBelow(parent, mount)
    this.#detach(parent, this.#name, top)
    return { outcome: 'unmounted', why: '' }
  }

  #unmountBelow(parent: Fd, mount: Mount): void {
    const inside = relative(dirname(this.#view.path), dirname(mount.mountPoint))
    const beneath = RESOLVE.RESOLVE_BENEATH | RESOLVE.RESOLVE_NO_SYMLINKS
    using dir = openat2(parent, inside === '' ? '.' : inside, DIRECTORY, beneath)
    this.#detach(dir, mount.mountPoint.slice(mount.mountPoint.lastIndexOf('/') + 1), mount)
  }

  #detach(dir: Fd, name: string, mount: Mount): void {
    if (Number(statx(dir, name).mountId) !== mount.id)
      throw new UnsafePathError(mount.mountPoint, 'is another mount now; try again')
    fchdir(dir) // the name is looked up in this very directory
    const flags = MNT.UMOUNT_NOFOLLOW | (this.errand.lazy ? MNT.MNT_DETACH : 0)
    during(`unmount '${mount.mountPoint}'`, () => umount2(name, flags))
  }

  #openParent(): Fd | null {
    try {
      return openat2(null, dirname(this.#view.path), DIRECTORY, RESOLVE.RESOLVE_NO_SYMLINKS)
    } catch (error) {
      if (error instanceof SyscallError && ['ENOENT', 'ENOTDIR', 'ELOOP'].includes(error.code)) return null
      throw error
    }
  }

  #mountinfo(): string {
    using file = openat2(this.#proc, 'thread-self/mountinfo', O.O_RDONLY, 0)
    return readFileSync(file.number, 'utf8')
  }

  #polydirsOf(uid: number | null): string[] {
    const { polydirs, rules } = this.errand
    const isFixed = ({ polydir }: Rule) => !polydir.includes('$')
    const user = uid === null || rules.every(isFixed) ? null : getpwuid(uid)
    const own = rules
      .filter((rule) => isFixed(rule) || user !== null)
      .map((rule) => expandRule(rule, { user: user?.name ?? '', home: user?.home ?? '' }).polydir)
    return [...polydirs, ...own]
  }

  #explain(error: unknown, { pids }: Inhabited): string {
    if (error instanceof SyscallError && error.code === 'EBUSY') return inUseBy(this.#view.path, pids)
    return messageOf(error)
  }
}

function inUseBy(path: string, pids: readonly number[]): string {
  const users = usersOf(path, pids)
  const who = users.length === 0 ? 'something there' : users.slice(0, 5).join(', ')
  const more = users.length > 5 ? ` and ${users.length - 5} more` : ''
  return `in use by ${who}${more}; --lazy takes it away all the same`
}

/** Makes a mount happen that is waiting for somebody to look. */
function automount(parent: Fd, name: string): void {
  const look = () => openat2(parent, name, DIRECTORY | O.O_NOFOLLOW, 0)
  ignoring(['ENOTDIR', 'ELOOP'], 'a file, or a link: its own error comes later', look)?.[Symbol.dispose]()
}
