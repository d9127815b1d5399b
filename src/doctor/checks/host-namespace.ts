/* Every session starts from the host's mount namespace: it must be within reach. */
import { type Check, error, ok } from '../finding.js'

export const hostNamespace: Check = {
  id: 'host-namespace',
  title: "The host's mount namespace is within reach",
  status: 4,
  run({ denied }) {
    if (denied === null) return [ok('pid 1 lets its mount namespace be entered')]
    const why =
      'a session that is opened with these rights is refused. What follows was seen from the namespace that doctor was ' +
      'started in: run it as root with all capabilities, outside of a container'
    return [error(denied, why)]
  },
}
