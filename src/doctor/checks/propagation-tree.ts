/* Trees in which mounts come and go, on mounts that are not shared: what comes there does not reach the sessions. */
import type { Mount } from '../../mountinfo/parse.js'
import { isAtOrBelow, propagationType } from '../../mountinfo/table.js'
import { type Check, type Finding, note, warning } from '../finding.js'
import type { Host } from '../host.js'
import { isNetwork } from '../networkfs.js'
import { parentsOf, polydirsOf, setupCommand } from '../places.js'

export const propagationTree: Check = {
  id: 'propagation-tree',
  title: 'Mounts below other trees reach sessions',
  status: 1,
  run(host) {
    const root = host.mounts.at('/')
    // A root that is not shared says it all.
    if (root === null || propagationType(root.propagation) !== 'shared') return []
    const isolated = [...polydirsOf(host), ...parentsOf(host)]
    const trees = host.mounts
      .below('/')
      .filter(({ mountPoint, propagation }) => {
        const isMeant = isolated.some((path) => isAtOrBelow(mountPoint, path))
        return !isMeant && propagationType(propagation) !== 'shared'
      })
      .filter(isTree)
    return trees.map((mount) => tell(host, mount))
  },
}

/** Not each small mount: container engines have hundreds that are private for good reason. */
function isTree({ mountPoint, fstype }: Mount): boolean {
  return fstype === 'autofs' || isNetwork(fstype) || /^\/[^/]+$/.test(mountPoint)
}

function tell(host: Host, { mountPoint, fstype, propagation }: Mount): Finding {
  const saw = `${mountPoint} (${fstype}) is ${propagationType(propagation)}, while / is shared`
  const mend = setupCommand(host, '--share', mountPoint)
  const always = 'give the boot step the same option'
  if (fstype === 'autofs') {
    const why = `what is mounted there on access does not appear in running sessions: they get ELOOP; ${always}`
    return warning(saw, why, mend)
  }
  return note(saw, `what is mounted below it later does not appear in running sessions; ${always}`, mend)
}
