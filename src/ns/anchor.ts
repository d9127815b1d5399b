/*
 * What keeps an instance where it is mounted. The kernel propagates an umount of the host's to whatever is at the same place
 * in the sessions: `mount --bind /tmp /tmp; umount /tmp` on the host took the instance along (seen on 6.18), and the
 * session was in everybody's /tmp. A mount stays that has a child, elsewhere than on its root, which is not unmounted with
 * it. So such a mount comes below each instance: a tiny tmpfs with its only directory mounted on itself.
 * It is made without asking whether the host's mounts arrive at the polydir: the private bind that `polyns setup` puts there
 * may be unmounted under a session; and before Linux 6.15 the question costs more than the anchor, 0.3 ms in a login.
 */
import { ANCHOR } from '../mountinfo/diff.js'
import type { Fd } from '../sys/fd.js'
import { MOUNT_ATTR, MS, O, RESOLVE } from '../sys/flags.js'
import { mountSetattr, moveMount, openTreeClone } from '../sys/mount.js'
import { mkdirat, openat2 } from '../sys/path.js'
import { emptyTmpfs, newTmpfs } from './tmpfs.js'

const ATTRIBUTES = MOUNT_ATTR.MOUNT_ATTR_NOSUID | MOUNT_ATTR.MOUNT_ATTR_NODEV | MOUNT_ATTR.MOUNT_ATTR_NOEXEC

/** Mounts an anchor on `polydir`, which stays open below it; what is mounted there next comes on top. */
export function anchor(polydir: Fd): void {
  using mount = newTmpfs('polyns', emptyTmpfs(2), ATTRIBUTES)
  mkdirat(mount, ANCHOR, 0o555)
  using directory = openat2(mount, ANCHOR, O.O_PATH | O.O_DIRECTORY, RESOLVE.RESOLVE_NO_SYMLINKS)
  mountSetattr(mount, MOUNT_ATTR.MOUNT_ATTR_RDONLY, MS.MS_PRIVATE)
  // KERNEL(6.15): a detached mount could be cloned and mounted on, too.
  moveMount(mount, polydir)
  using child = openTreeClone(directory)
  mountSetattr(child, 0, MS.MS_PRIVATE)
  moveMount(child, directory)
}
