/* Room in /run: without it no session can be recorded, and so none is opened. */
import { statfsSync } from 'node:fs'
import { RUN_DIRECTORY } from '../../ns/rundir.js'
import { command } from '../../propagation/step.js'
import { type Check, error, ok, warning } from '../finding.js'
import { shortOf } from '../space.js'

const NONE = { part: 0, bytes: 64 * 1024, inodes: 16 }
const LITTLE = { part: 0.05, bytes: 1024 * 1024, inodes: 200 }
const WHY = 'a session that cannot be recorded is refused'

export const runSpace: Check = {
  id: 'run-space',
  title: 'There is room in /run',
  status: 1,
  run(host) {
    const mount = host.mounts.holding(RUN_DIRECTORY)
    if (mount === null) return []
    const space = statfsSync(mount.mountPoint)
    const little = shortOf(space, LITTLE)
    const { mountPoint, fstype } = mount
    if (little === null) return [ok(`${mountPoint} has room`)]
    const size = `size=${Math.ceil((space.blocks * space.bsize * 2) / 1024) + 8192}k,nr_inodes=${space.files * 2 + 1000}`
    const grow = fstype === 'tmpfs' ? [command('mount', '-o', `remount,${size}`, mountPoint)] : []
    const why = `${WHY}; 'du -x ${mountPoint}' and 'du -x --inodes ${mountPoint}' tell what takes it`
    const saw = `${mountPoint} (${fstype}) has only ${little}`
    return [shortOf(space, NONE) === null ? warning(saw, why, ...grow) : error(saw, why, ...grow)]
  },
}
