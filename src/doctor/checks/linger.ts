/* Users who linger: their systemd manager runs without a login, and so their directories are never taken away. */
import { type Check, note } from '../finding.js'
import { parentsOf } from '../places.js'
import { some } from '../some.js'

export const linger: Check = {
  id: 'linger',
  title: 'No user is there for ever',
  status: 1,
  run(host) {
    const users = host.list('/var/lib/systemd/linger') ?? []
    if (users.length === 0 || parentsOf(host).length === 0) return []
    const why =
      "their systemd manager counts as life, so neither reap nor the epilog takes their directories; 'polyns epilog " +
      "--stop-user-manager' stops it after a job, 'loginctl disable-linger USER' ends it for good"
    return [note(`/var/lib/systemd/linger: ${some(users)}`, why)]
  },
}
