/* Slurm's own private directories beside those of polyns: jobs can have one of the two. */
import { dirname } from 'node:path'
import { isAtOrBelow } from '../../mountinfo/table.js'
import { settingsIn } from '../../slurm/plugin.js'
import { type Check, note, ok, warning } from '../finding.js'
import { polydirsOf } from '../places.js'
import { slurmOf, slurmStack } from '../slurm.js'

export const slurmPlugin: Check = {
  id: 'slurm-plugin',
  title: "Slurm's own private directories and these keep apart",
  status: 3,
  run(host) {
    const slurm = slurmOf(host)
    if (slurm === null || slurm.plugin === null || !slurm.isNode) return []
    const { file, plugin } = slurm
    const stack = slurmStack(host)
    const beside = stack.callsPolyns
      ? note(
          `${file} names ${plugin}, and ${stack.file ?? '/etc/pam.d/other'} calls polyns`,
          "polyns stays out of jobs then: they get the plugin's directories, and each step starts polyns in vain; " +
            'take the one or the other out',
        )
      : ok(`${file} names ${plugin}, which jobs get`)
    const settings = settingsIn(host.read(`${dirname(file)}/job_container.conf`) ?? '')
    const polydirs = polydirsOf(host)
    const hidden = settings.flatMap(([name, value]) => {
      const polydir = polydirs.find((path) => name === 'basepath' && isAtOrBelow(value, path))
      if (polydir === undefined) return []
      const saw = `${dirname(file)}/job_container.conf: BasePath=${value} is below ${polydir}`
      return [warning(saw, `the plugin's directories are hidden in private ones; move it out of ${polydir}`)]
    })
    return [beside, ...hidden]
  },
}
