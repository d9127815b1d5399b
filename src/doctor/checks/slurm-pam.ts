/* Whether SLURM opens PAM sessions for its jobs, and whether those call polyns. */
import { command } from '../../propagation/step.js'
import { type Check, type Finding, ok, warning } from '../finding.js'
import type { Host } from '../host.js'
import { parentsOf } from '../places.js'
import { isYes, jobsByPam, type Slurm, setLines, slurmStack } from '../slurm.js'

const FILE = '/etc/pam.d/slurm'
const SESSION = 'session required pam_exec.so quiet seteuid /usr/sbin/polyns pam --fail-open'
const STACK = ['auth required pam_permit.so', 'account required pam_permit.so', SESSION]
const WHY = "jobs see the host's own directories, with everybody's files"

export const slurmPam: Check = {
  id: 'slurm-pam',
  title: 'SLURM jobs get their private directories',
  status: 3,
  run(host) {
    const slurm = jobsByPam(host)
    if (slurm === null || parentsOf(host).length === 0) return []
    // First the stack: with UsePAM and without one, jobs may fail and drain the node.
    return [judgeStack(slurmStack(host)), judgeUse(host, slurm)]
  },
}

function judgeUse(host: Host, { file, settings }: Slurm): Finding {
  const value = settings.get('usepam')
  if (isYes(value)) return ok(`${file}: UsePAM=1`)
  const why = `SLURM opens no PAM session: ${WHY}; it is for the whole cluster, and each node needs ${FILE} first`
  return warning(`${file}: UsePAM=${value ?? '0 by default'}`, why, ...setLines(host, file, 'UsePAM', '1'))
}

function judgeStack({ file, callsPolyns }: { file: string | null; callsPolyns: boolean }): Finding {
  if (callsPolyns) return ok(`${file ?? '/etc/pam.d/other'} calls polyns`)
  const add = file === null ? STACK : [SESSION]
  const lines = add.map((text) => command('echo', text))
  const saw = file === null ? `there is no ${FILE}` : `${file} does not call 'polyns pam'`
  return warning(saw, WHY, ...lines.map((line) => `${line} >>${FILE}`))
}
