/* Whether the root mount is shared, so that what is mounted on the host later reaches the sessions. */
import { propagationType } from '../../mountinfo/table.js'
import { type Check, ok, warning } from '../finding.js'
import { setupCommand } from '../places.js'

const WHY =
  'what is mounted on the host later does not appear in running sessions, and what is unmounted stays busy in them'

export const propagationRoot: Check = {
  id: 'propagation-root',
  title: 'Mounts of the host reach sessions',
  status: 1,
  run(host) {
    const root = host.mounts.at('/')
    if (root === null) {
      return [warning('/ is not a mount point, as in a chroot', `${WHY}; run polyns on the host itself`)]
    }
    const type = propagationType(root.propagation)
    if (type === 'shared') return [ok('/ is shared')]
    return [warning(`the mount on / is ${type}, not shared`, WHY, setupCommand(host))]
  },
}
