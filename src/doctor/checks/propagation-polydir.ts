/* Whether the polydirs and the instance parents are private mounts, as setup makes them. */
import { findParent, findPolydir } from '../../propagation/places.js'
import { planMounts } from '../../propagation/plan.js'
import { SyscallError, UnsafePathError } from '../../sys/errors.js'
import { type Check, ok, warning } from '../finding.js'
import { localOnly, parentsOf, polydirsOf, setupCommand } from '../places.js'

const WHY =
  'what root bind-mounts there and unmounts again takes the private directory out of running sessions: they are in the ' +
  'real one then (seen with Linux 6.18)'

export const propagationPolydir: Check = {
  id: 'propagation-polydir',
  title: 'The private directories are on private mounts',
  status: 1,
  run(host) {
    const polydirs = localOnly(host, polydirsOf(host)).flatMap((path) => found(() => findPolydir(path)))
    const missing = polydirs.filter(({ real }) => real === null).map(({ path }) => path)
    const parents = localOnly(host, parentsOf(host)).flatMap((path) => found(() => findParent(path, missing)))
    const present = parents.filter(({ isMissing }) => !isMissing)
    // Looked at as it is: what setup would do to / is another check's.
    const steps = planMounts(host.mounts, { polydirs, parents: present, share: [], keepRoot: true })
    const isolated = steps.filter(({ kind, outcome }) => kind === 'isolate' && outcome !== 'skipped')
    return isolated.map(({ path, outcome }) => {
      if (outcome === 'already') return ok(`${path} is private`)
      const own = host.mounts.at(path) === null ? 'it has no mount of its own' : 'others share its mount'
      return warning(`${path} is not private: ${own}`, WHY, setupCommand(host))
    })
  },
}

/** What is unsafe or cannot be looked at is told by the check of instance parents. */
function found<T>(find: () => T): T[] {
  try {
    return [find()]
  } catch (error) {
    if (error instanceof UnsafePathError || error instanceof SyscallError) return []
    throw error
  }
}
