/*
 * Real SLURM inside sandboxes: munged and slurmd on each node, slurmctld on the first. Jobs run as the test's users, by `srun`
 * and `sbatch`. slurmstepd opens a PAM session for each step through the stack `slurm`. Two nodes: see cluster.ts.
 */
import { randomBytes } from 'node:crypto'
import { plainStack } from './logins.js'
import { sleep } from './run.js'
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

/** A machine, by its host name, and the address at which the others reach it. */
export interface SlurmNode {
  box: Sandbox
  name: string
  address: string
}

export async function startSlurm(box: Sandbox, options: SlurmOptions = {}): Promise<void> {
  const name = (await box.sh('hostname')).trim()
  await startNodes([{ box, name, address: '127.0.0.1' }], options)
}

/** slurmctld on the first node, slurmd on all of them. */
export async function startNodes(
  nodes: readonly [SlurmNode, ...SlurmNode[]],
  options: SlurmOptions = {},
): Promise<void> {
  const [{ box: first }] = nodes
  const config = slurmConf(nodes, options)
  const key = randomBytes(64).toString('hex')
  for (const { box } of nodes) await prepare(box, options, config, key)
  first.spawn(['slurmctld', '-D'])
  for (const { box, name } of nodes) box.spawn([...(options.starter ?? []), 'slurmd', '-D', '-N', name])
  await until(first, 'test "$(sinfo -h -o %T)" = idle')
}

function slurmConf(nodes: readonly [SlurmNode, ...SlurmNode[]], options: SlurmOptions): string {
  const [first] = nodes
  return [
    'ClusterName=test',
    `SlurmctldHost=${first.name}(${first.address})`,
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
    ...(options.prolog === undefined ? [] : ['Prolog=/etc/slurm/prolog']),
    ...(options.epilog === undefined ? [] : ['Epilog=/etc/slurm/epilog']),
    ...(options.config ?? []),
    ...nodes.map(({ name, address }) => `NodeName=${name} NodeAddr=${address} CPUs=2 State=UNKNOWN`),
    'PartitionName=p Nodes=ALL Default=YES OverSubscribe=FORCE:16 State=UP',
    '',
  ].join('\n')
}

/** Everything on a node that SLURM's daemons find when they start, and munged, which authenticates between nodes of one key. */
async function prepare(box: Sandbox, options: SlurmOptions, config: string, key: string): Promise<void> {
  await box.pam('slurm', plainStack(options.pamLines ?? []))
  for (const hook of ['prolog', 'epilog'] as const) {
    const text = options[hook]
    if (text !== undefined) await box.write(`/etc/slurm/${hook}`, text, 0o755)
  }
  await box.write('/etc/slurm/slurm.conf', config)
  // slurmd 22.05 loads the cgroup plugin whatever proctrack is; named, it starts without any cgroup and touches none.
  await box.write('/etc/slurm/cgroup.conf', 'CgroupPlugin=cgroup/v1\n')
  await box.write('/etc/munge/munge.key', key, 0o400)
  await box.sh(`
    chown munge:munge /etc/munge/munge.key
    install -d -o munge -g munge -m 755 /run/munge
    install -d -o slurm -g slurm -m 755 /var/log/slurm /var/lib/slurm /var/lib/slurm/slurmctld
    install -d -m 755 /var/lib/slurm/slurmd
  `)
  box.spawn(['munged', '--foreground', '--num-threads=1'], { user: 'munge' })
  await until(box, 'munge -n >/dev/null')
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

/** Script text: says that it is there, and stays until `letGo`. The test makes /srv/out, writable for all. */
export const pause = (name: string) =>
  `touch /srv/out/at.${name}; for i in {1..600}; do [ -e /srv/out/go.${name} ] && break; sleep 0.05; done`
export const arrived = (box: Sandbox, name: string) => until(box, `test -e /srv/out/at.${name}`)
export const letGo = (box: Sandbox, name: string) => box.sh(['touch', `/srv/out/go.${name}`])

/** The instances below /tmp/inst and /dev/shm/inst, as `alice` or `alice.job3`, once for each private directory. */
export async function instances(box: Sandbox): Promise<string[]> {
  const found = await box.sh('cd /tmp/inst && ls -A; cd /dev/shm/inst && ls -A')
  return found.split('\n').filter(Boolean).sort()
}
