/*
 * The namespace that a session is made from. It is the host's, not the application's: an sshd that was restarted from inside
 * a private session still gives clean ones. Only an application in a namespace that neither we nor the host made (Slurm's
 * plugin, a unit with PrivateMounts) keeps its own as base.
 */
import { UnsafePathError } from '../sys/errors.js'
import { O } from '../sys/flags.js'
import { openat2 } from '../sys/path.js'
import { sameFile, statx } from '../sys/stat.js'
import { enter, hostNamespace, type MountNamespace, mountNamespaceOf } from './enter.js'
import { markedUid } from './marker.js'
import type { Target } from './target.js'

export interface Base extends Disposable {
  readonly namespace: MountNamespace
  readonly isHost: boolean
  /** Whose private namespace the application is in now; null: in none of ours. */
  readonly applicationUid: number | null
}

/**
 * Finds the base for `target` and moves this thread into it.
 * @throws {UnsafePathError} the target runs in a chroot: setns would take it out, and with it whatever the chroot is for
 */
export function enterBase(target: Pick<Target, 'pid' | 'proc'>): Base {
  using application = mountNamespaceOf(target.proc)
  using root = openat2(null, `${target.proc}/root`, O.O_PATH, 0)
  enter(application)
  const real = statx(null, '/')
  const seen = statx(root)
  if (!sameFile(real, seen) || real.mountId !== seen.mountId) {
    throw new UnsafePathError(
      `process ${target.pid}`,
      'runs in a chroot; polyns would have to take it out of that',
    )
  }
  using host = hostNamespace()
  if (application.inode === host.inode) return base(target, true, null)
  const applicationUid = markedUid(target.proc)
  if (applicationUid === null) return base(target, false, null)
  enter(host)
  return base(target, true, applicationUid)
}

function base(target: Pick<Target, 'proc'>, isHost: boolean, applicationUid: number | null): Base {
  const namespace = isHost ? hostNamespace() : mountNamespaceOf(target.proc)
  return { namespace, isHost, applicationUid, [Symbol.dispose]: () => namespace[Symbol.dispose]() }
}
