/*
 * RemoveIPC= of logind: when a user's last login ends, logind removes what is his in the host's /dev/shm, and goes down into
 * every directory there: into the private ones too, whatever still runs (tried with the function of systemd 252).
 */

import { isAtOrBelow } from '../../mountinfo/table.js'
import { asBoolean, settingIn, withDropIns } from '../confd.js'
import { type Check, note, ok, warning } from '../finding.js'
import type { Host } from '../host.js'
import { parentsOf } from '../places.js'
import { slurmOf } from '../slurm.js'

const DIRECTORIES = ['/etc/systemd', '/run/systemd', '/usr/local/lib/systemd', '/usr/lib/systemd']
const DROP_IN = '/etc/systemd/logind.conf.d/polyns.conf'

export const removeIpc: Check = {
  id: 'remove-ipc',
  title: 'Private shared memory outlives a logout',
  status: 1,
  run(host) {
    const reached = parentsOf(host).filter((parent) => isAtOrBelow(parent, '/dev/shm'))
    if (!host.hasSystemd || reached.length === 0) return []
    const { isOn, where } = removesIpc(host)
    if (!isOn) return [ok(`${where}: RemoveIPC=no`)]
    const saw = `${where}: RemoveIPC=yes, and the instances are in ${reached.join(' ')}`
    const why =
      "when a user's last login ends, logind empties his private /dev/shm, whatever of his still runs: a job, nohup, cron"
    const mend = [
      'mkdir -p /etc/systemd/logind.conf.d',
      `printf '[Login]\\nRemoveIPC=no\\n' >${DROP_IN}`,
      'systemctl restart systemd-logind',
    ]
    // Without jobs it is mostly what is wanted.
    return [slurmOf(host)?.isNode === true ? warning(saw, why, ...mend) : note(saw, why, ...mend)]
  },
}

function removesIpc(host: Host): { isOn: boolean; where: string } {
  const files = withDropIns(
    DIRECTORIES.map((directory) => `${directory}/logind.conf`),
    DIRECTORIES.map((directory) => `${directory}/logind.conf.d`),
    { list: (path) => host.list(path), read: (path) => host.read(path) },
  )
  const found = settingIn(files, 'Login', 'RemoveIPC')
  if (found === null) return { isOn: true, where: "logind's default" }
  return { isOn: asBoolean(found.value) !== false, where: `${found.file}:${found.line}` }
}
