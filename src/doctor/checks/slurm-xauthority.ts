/* Where SLURM's X11 forwarding puts its file: the extern step makes it in the host's /tmp, which the job does not see. */
import { type Check, ok, warning } from '../finding.js'
import { polydirsOf } from '../places.js'
import { jobsByPam, setLines } from '../slurm.js'

export const slurmXauthority: Check = {
  id: 'slurm-xauthority',
  title: "SLURM's X11 forwarding works in private directories",
  status: 3,
  run(host) {
    const slurm = jobsByPam(host)
    const flags = slurm?.settings.get('prologflags') ?? ''
    if (slurm === null || !/\bx11\b/i.test(flags) || !polydirsOf(host).includes('/tmp')) return []
    const { file, settings } = slurm
    const parameters = settings.get('x11parameters') ?? ''
    if (/\bhome_xauthority\b/i.test(parameters)) return [ok(`${file}: X11Parameters=${parameters}`)]
    const why =
      "'srun --x11' does not work: its Xauthority file is in the host's /tmp, and the job sees its own"
    const value = [parameters, 'home_xauthority'].filter(Boolean).join(',')
    const saw = `${file}: PrologFlags=${flags} without X11Parameters=home_xauthority`
    return [warning(saw, why, ...setLines(host, file, 'X11Parameters', value))]
  },
}
