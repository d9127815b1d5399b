/* Instance parents on a file system that other machines may have mounted too. */
import { type Check, warning } from '../finding.js'
import { remoteMount } from '../networkfs.js'
import { parentsOf } from '../places.js'

const WHY =
  'machines that share it give a user the same directory, and the one where he has left removes it under the other; ' +
  'take a local file system, or a directory of its own for each machine'

export const networkParent: Check = {
  id: 'network-parent',
  title: 'The instances are on this machine',
  status: 1,
  run(host) {
    return parentsOf(host).flatMap((path) => {
      const mount = remoteMount(host.mounts, path)
      if (mount === null) return []
      return [warning(`${path} is on ${mount.mountPoint} (${mount.fstype} from ${mount.source})`, WHY)]
    })
  },
}
