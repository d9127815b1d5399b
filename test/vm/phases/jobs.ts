/* SLURM: jobs see their user's directories, and the epilog takes away what nobody needs any more. */
import type { Test } from 'tap'
import { listed } from './people.js'
import { NAMESPACE, type People, type Scene } from './phase.js'

const CONFIG = '/etc/polyns/namespace.conf'

/** Waits in a job until the test lets it go. */
const PAUSE = 'touch /srv/at; for i in $(seq 600); do [ -e /srv/go ] && break; sleep 0.5; done'

export async function jobs(t: Test, scene: Scene, { alice, bob }: People): Promise<void> {
  const { vm, suite } = scene
  const why =
    'sinfo -R; squeue; tail -n 30 /var/log/slurm/*; journalctl -b -u munge -u slurmctld -u slurmd --no-pager | tail -n 20'
  await vm.sh('chmod 1777 /srv; systemctl start munge && systemctl start slurmctld slurmd')
  await vm.time('SLURM starts', () => vm.until('test "$(sinfo -h -o %T)" = idle', { seconds: 120, why }))

  const own = await alice.run(NAMESPACE)
  const step = await vm.time('srun', () =>
    alice.run(`srun -Q sh -c '${NAMESPACE}; cat /tmp/alice /dev/shm/alice'`),
  )
  t.equal(step, `${own}alice\nalice\n`, 'srun: in the namespace of her login')
  const batch = `printf '#!/bin/sh\\ncat /tmp/alice\\n' | sbatch -W -Q --parsable -o /home/alice/batch.out`
  await vm.time('sbatch', () => alice.run(batch))
  t.equal(await alice.run('cat batch.out'), 'alice\n', 'sbatch')
  if (suite !== 'bookworm') {
    t.match(
      await alice.run('srun -Q cat /proc/self/cgroup'),
      /^0::.*\/job_\d+\/step_/,
      'in a cgroup of version 2',
    )
  }

  const submit = async (name: string) => {
    await vm.sh('rm -f /srv/at /srv/go')
    const script = `#!/bin/sh\n${PAUSE}\nls -A /tmp >/srv/seen.${name}\n`
    const { stdout, stderr } = await vm.as('bob', 'sbatch --parsable -o /home/bob/job.out', { input: script })
    t.match(stdout, /^\d+\n$/, `sbatch ${stderr}`)
    await vm.until('test -e /srv/at', { seconds: 120, why })
    return stdout.trim()
  }
  const letGo = async (job: string) => {
    await vm.sh('touch /srv/go')
    await vm.until(`test -z "$(squeue -h -j ${job} 2>/dev/null)"`, { seconds: 120, why })
  }

  await t.test('bob logs out while his job runs, and the epilog removes his directories', async (t) => {
    const job = await submit('user')
    await bob.close()
    await vm.until('! loginctl show-user bob && ! pgrep -u bob -x systemd', {
      seconds: 90,
      why: 'loginctl; pgrep -au bob',
    })
    const bobs = (await listed(scene)).filter(({ user }) => user === 'bob').map(({ service }) => service)
    t.strictSame(bobs, ['slurm'], 'the job is all that bob has')
    t.equal(await vm.sh('ls -A /tmp/polyns-inst/bob'), 'bob\n', 'his files are there while the job runs')
    const shm = await vm.sh('ls -A /dev/shm/polyns-inst/bob')
    vm.keep('remove-ipc.txt', `bob has logged out, his job runs; /dev/shm of his has: ${shm}`)
    await letGo(job)
    t.equal(await vm.sh('cat /srv/seen.user'), 'bob\n', 'and the job has seen them')
    t.equal(await vm.sh('ls -d /tmp/polyns-inst/bob /dev/shm/polyns-inst/bob 2>/dev/null || true'), '')
    t.equal(await alice.run('cat /tmp/alice'), 'alice\n', 'alice, who is still there, keeps hers')
  })

  await t.test('scope=job: the number is told by the job itself', async (t) => {
    await vm.sh(`cp -p ${CONFIG} /root/namespace.conf
      sed -i -E 's,^(/tmp +\\S+ +)user,\\1user:scope=job,' ${CONFIG} && polyns check`)
    const job = await submit('job')
    t.match(await vm.sh('ls -A /tmp/polyns-inst'), new RegExp(`^bob\\.job${job}$`, 'm'))
    t.ok((await listed(scene)).some((s) => s.service === 'slurm' && s.job === job))
    await letGo(job)
    t.equal(await vm.sh('cat /srv/seen.job'), '', 'an empty /tmp of its own')
    t.notMatch(await vm.sh('ls -A /tmp/polyns-inst'), /bob\.job/, 'which the epilog has removed')
    await vm.sh(`cp -p /root/namespace.conf ${CONFIG} && rm /root/namespace.conf && polyns check`)
  })
  t.equal(await vm.sh('sinfo -h -o %T'), 'idle\n', 'the node was not drained')
  const refused = "journalctl -b --no-pager | grep -E 'polyns\\[.*(refused|VIEW because)' || true"
  t.equal(await vm.sh(refused), '', 'no session since the boot was refused, or let through without polyns')
  // SLURM sends SIGTERM to a step's processes while its session is closed.
  const failed = await vm.sh("journalctl -b --no-pager | grep -E 'pam_exec\\(slurm:.*polyns failed' || true")
  t.equal(failed, '', 'and each close came to its end')
  await vm.sh('systemctl stop slurmd slurmctld munge; rm -f /srv/*')
}
