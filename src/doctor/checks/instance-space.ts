/* Room where the instances are: it is all users' together. */
import { statfsSync } from 'node:fs'
import { type Check, note } from '../finding.js'
import { localOnly, parentsOf } from '../places.js'
import { shortOf } from '../space.js'

const LITTLE = { part: 0.05, bytes: 0, inodes: 0 }

export const instanceSpace: Check = {
  id: 'instance-space',
  title: 'The file systems of the instances have room',
  status: 1,
  run(host) {
    const points = localOnly(host, parentsOf(host)).flatMap(
      (path) => host.mounts.holding(path)?.mountPoint ?? [],
    )
    return [...new Set(points)].flatMap((point) => {
      const short = shortOf(statfsSync(point), LITTLE)
      const why =
        "users get 'No space left on device' in their private directories; 'polyns list' tells who has how much"
      return short === null ? [] : [note(`the file system on ${point} has only ${short}`, why)]
    })
  },
}
