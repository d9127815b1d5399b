/* Mounts of the host below a polydir: the private directory hides them. */

import { isAtOrBelow } from '../../mountinfo/table.js'
import { staticPolydirs } from '../../propagation/places.js'
import { type Check, note } from '../finding.js'
import { parentsOf } from '../places.js'

export const hiddenMounts: Check = {
  id: 'hidden-mounts',
  title: 'No mount of the host is hidden from sessions',
  status: 1,
  run(host) {
    const rules = host.rules
    const parents = parentsOf(host)
    return staticPolydirs(rules).flatMap((polydir) => {
      const kept = rules.filter((rule) => rule.polydir === polydir).flatMap(({ keep }) => keep)
      const shown = [...parents, ...kept.map((name) => `${polydir}/${name}`)]
      return host.mounts
        .below(polydir)
        .filter(({ mountPoint }) => !shown.some((path) => isAtOrBelow(mountPoint, path)))
        .map(({ mountPoint, fstype }) => {
          const [name = ''] = mountPoint.slice(polydir.length + 1).split('/')
          const why = `users see their own ${polydir}, in which it is not; the flag keep=${name} shows the real one`
          return note(`${mountPoint} (${fstype}) is mounted below ${polydir}`, why)
        })
    })
  },
}
