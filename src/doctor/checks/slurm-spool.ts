/* SlurmdSpoolDir below a private directory: slurmstepd looks for the job's script there from within the session. */

import { isAtOrBelow } from '../../mountinfo/table.js'
import { type Check, error, ok } from '../finding.js'
import { polydirsOf } from '../places.js'
import { jobsByPam } from '../slurm.js'

export const slurmSpool: Check = {
  id: 'slurm-spool',
  title: 'Jobs find their scripts',
  status: 3,
  run(host) {
    const slurm = jobsByPam(host)
    if (slurm === null) return []
    const spool = slurm.settings.get('slurmdspooldir') ?? '/var/spool/slurmd'
    const polydir = polydirsOf(host).find((path) => isAtOrBelow(spool, path))
    const saw = `${slurm.file}: SlurmdSpoolDir=${spool}`
    if (polydir === undefined) return [ok(saw)]
    const why =
      `it is hidden in the private ${polydir}: batch jobs fail with 'execve(): .../slurm_script: No such file'; ` +
      'drain the nodes, move it out, start slurmd again'
    return [error(`${saw} is below ${polydir}`, why)]
  },
}
