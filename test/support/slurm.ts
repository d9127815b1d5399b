/*
 * Real SLURM on one node inside a sandbox: munged, slurmctld, slurmd. Jobs run as the test's users, by `srun` and `sbatch`.
 * slurmstepd opens a PAM session for each step through the stack `slurm`.
 */
import { plainStack } from './logins.js'
import { type Running, sleep } from './run.js'
import type { Sandbox } from './sandbox.js'

export interface SlurmOptions {
  /** Session lines of /etc/pam.d/slurm. */
  pamLines?: readonly string[]
  /** Text of the scripts that slurmd runs as root; without it none is configured. */
  epilog?: string
  prolog?: string
  /** Lines of slurm.conf. */
  config?: readonly string[]
  /** PrologFlags of slurm.conf. */
  prologFlags?: string
  /** What starts slurmd, as `taskset -c 0`. */
  starter?: readonly string[]
}

export async function startSlurm(
  box: Sandbox,
  options: SlurmOptions = {},
): Promise<{ slurmd: Running; slurmctld: Running }> {
  const node = (await box.sh('hostname')).trim()
  await box.pam('slurm', plainStack(options.pamLines ?? []))
  const hooks: string[] = []
  for (const hook of ['prolog', 'epilog'] as const) {
    const text = options[hook]
    if (text === undefined) continue
    await box.write(`/etc/slurm/${hook}`, text, 0o755)
    hooks.push(`${hook === 'prolog' ? 'Prolog' : 'Epilog'}=/etc/slurm/${hook}`)
  }
  await box.write(
    '/etc/slurm/slurm.conf',
    [
      'ClusterName=test',
      `SlurmctldHost=${node}(127.0.0.1)`,
      'SlurmUser=slurm',
      'AuthType=auth/munge',
      'CryptoType=crypto/munge',
      'MpiDefault=none',
      'MailProg=/bin/true',
      'ProctrackType=proctrack/linuxproc',
      'TaskPlugin=task/none',
      'SelectType=select/linear',
      'JobAcctGatherType=jobacct_gather/none',
      'AccountingStorageType=accounting_storage/none',
      'ReturnToService=2',
      'UsePAM=1',
      `PrologFlags=${options.prologFlags ?? 'Alloc'}`,
      'SlurmctldLogFile=/var/log/slurm/slurmctld.log',
      'SlurmdLogFile=/var/log/slurm/slurmd.log',
      'SlurmdSpoolDir=/var/lib/slurm/slurmd',
      'StateSaveLocation=/var/lib/slurm/slurmctld',
      // Seconds: how soon a finished job's end is noticed, and a node's return.
      'KillWait=2',
      'SlurmdTimeout=30',
      'SchedulerParameters=batch_sched_delay=0,sched_interval=1',
      ...hooks,
      ...(options.config ?? []),
      `NodeName=${node} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN`,
      'PartitionName=p Nodes=ALL Default=YES OverSubscribe=FORCE:16 State=UP',
      '',
    ].join('\n'),
  )
  // slurmd 22.05 loads the cgroup plugin whatever proctrack is; named, it starts without any cgroup and touches none.
  await box.write('/etc/slurm/cgroup.conf', 'CgroupPlugin=cgroup/v1\n')
  await box.sh(`
    umask 077
    head -c 128 /dev/urandom >/etc/munge/munge.key && chown munge:munge /etc/munge/munge.key && chmod 400 /etc/munge/munge.key
    install -d -o munge -g munge -m 755 /run/munge
    install -d -o slurm -g slurm -m 755 /var/log/slurm /var/lib/slurm /var/lib/slurm/slurmctld
    install -d -m 755 /var/lib/slurm/slurmd
  `)
  box.spawn(['munged', '--foreground', '--num-threads=1'], { user: 'munge' })
  await until(box, 'munge -n >/dev/null')
  const slurmctld = box.spawn(['slurmctld', '-D'])
  const slurmd = box.spawn([...(options.starter ?? []), 'slurmd', '-D', '-N', node])
  await until(box, 'test "$(sinfo -h -o %T)" = idle')
  return { slurmd, slurmctld }
}

/** Hands in a batch job whose script is bash text. @returns its number */
export async function submit(box: Sandbox, user: string, script: string, options = ''): Promise<string> {
  const input = `#!/bin/bash\n${script}\n`
  return (await box.sh(`sbatch --parsable ${options}`, { user, cwd: `/home/${user}`, input })).trim()
}

/** Waits until the job, its epilog too, is over. */
export async function ended(box: Sandbox, job: string): Promise<void> {
  await until(box, `test -z "$(squeue -h -j ${job} 2>/dev/null)"`)
}

/** Waits until a shell condition holds. @throws {Error} with SLURM's logs after 30 s */
export async function until(box: Sandbox, condition: string): Promise<void> {
  for (const start = Date.now(); Date.now() - start < 30_000; await sleep(50)) {
    if ((await box.run(condition)).status === 0) return
  }
  throw new Error(`not so: ${condition}\n${(await box.run('tail -n 20 /var/log/slurm/*; sinfo -R')).stdout}`)
}
