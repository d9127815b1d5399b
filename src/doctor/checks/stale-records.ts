/* Records of sessions whose process has ended without a close: by SIGKILL, or as systemd-user, which closes without root. */
import { SESSIONS_DIRECTORY } from '../../ns/rundir.js'
import { isLive, readRecords } from '../../session/registry.js'
import { type Check, note, ok } from '../finding.js'
import { some } from '../some.js'

/** Sweeps, and takes no instance of users who have only just gone. */
export const SWEEP = 'polyns reap --idle 9999d'

export const staleRecords: Check = {
  id: 'stale-records',
  title: 'Each record is of a live session',
  status: 1,
  run() {
    const stale = readRecords().filter((record) => !isLive(record))
    if (stale.length === 0) return [ok(`no record in ${SESSIONS_DIRECTORY} is stale`)]
    const whose = stale.map(({ user, leader }) => `${user}:${leader.pid}`)
    const why =
      'they do no harm; what was only theirs (tmpdir, scope=session) goes at the next close of the user, or now'
    return [note(`sessions whose process has ended: ${some(whose)}`, why, SWEEP)]
  },
}
