/* scope=job for logins: pam_slurm_adopt puts a login into its job's cgroup, and only there it can be told which job that is. */
import { type Check, note, ok } from '../finding.js'
import { jobsByPam } from '../slurm.js'

export const slurmScope: Check = {
  id: 'slurm-scope',
  title: 'Logins find the directories of their job',
  status: 3,
  run(host) {
    const slurm = jobsByPam(host)
    const rule = host.rules.find(({ scope }) => scope === 'job')
    const isAdopting = /^[^#\n]*\bpam_slurm_adopt\.so/m.test(host.read('/etc/pam.d/sshd') ?? '')
    if (slurm === null || rule === undefined || !isAdopting) return []
    const tracking = slurm.settings.get('proctracktype') ?? 'proctrack/cgroup'
    if (/^proctrack\/cgroup$/i.test(tracking)) return [ok(`${slurm.file}: ProctrackType=${tracking}`)]
    const saw = `${rule.file}:${rule.line}: scope=job, and ${slurm.file}: ProctrackType=${tracking}`
    const why =
      "without the job's cgroup a login gets the user's own directory, not the job's; take proctrack/cgroup"
    return [note(saw, why)]
  },
}
