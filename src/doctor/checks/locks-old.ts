/* Lock files of uids that nobody has any more. */
import { LOCK_DIRECTORY } from '../../ns/rundir.js'
import { command } from '../../propagation/step.js'
import { getpwuid } from '../../sys/names.js'
import { type Check, note } from '../finding.js'
import { some } from '../some.js'

export const locksOld: Check = {
  id: 'locks-old',
  title: 'No locks of former users',
  status: 1,
  run(host) {
    const uids = (host.list(LOCK_DIRECTORY) ?? []).filter((name) => /^\d+$/.test(name)).map(Number)
    const dead = uids.filter((uid) => !host.processes.pidsOf.has(uid) && getpwuid(uid) === null)
    if (dead.length === 0) return []
    const why =
      'they take an inode of /run each; leave them if your name service does not answer at the moment'
    // Only while nobody has the lock.
    const mend = dead.map((uid) => {
      const path = `${LOCK_DIRECTORY}/${uid}`
      return command('flock', '-n', path, 'rm', '-f', path)
    })
    return [note(`${LOCK_DIRECTORY} has locks of uids without a user: ${some(dead)}`, why, ...mend)]
  },
}
