/* Beside Slurm's own job_container/tmpfs: its private /tmp is the job's, and polyns stays out of the slurm stack. */
import t from 'tap'
import { installPolyns, PAM_LINE } from '../support/install.js'
import { needs } from '../support/needs.js'
import { Sandbox } from '../support/sandbox.js'
import { ended, startSlurm, submit } from '../support/slurm.js'

/**
 * The plugin binds /proc/PID/ns/mnt to a file, which Linux 6.18 refuses when the id of that namespace is lower than that of
 * the one it is done in. Ids come from a range for each CPU, so on one of them it works: prints which, or nothing.
 */
const FIND_CPU = `
  mkdir /srv/probe && mount --bind /srv/probe /srv/probe && mount --make-private /srv/probe && touch /srv/probe/ns
  for cpu in $(seq 0 $(($(nproc) - 1))); do
    taskset -c $cpu unshare --mount sleep 60 & p=$!
    until [ "$(cat /proc/$p/comm)" = sleep ]; do sleep 0.01; done
    if mount --bind /proc/$p/ns/mnt /srv/probe/ns 2>/dev/null; then umount /srv/probe/ns; found=$cpu; fi
    kill $p
  done
  umount /srv/probe
  echo $found`

t.test('job_container/tmpfs and a polyns line', { skip: needs('root', 'layer', 'dist') }, async (t) => {
  // Its extern step may still be on its way out at the end.
  await using box = await Sandbox.start({ name: 'node1', leftovers: 'ignore' })
  await installPolyns(box, '/tmp /tmp/inst/ user:noinit root\n')
  const cpu = (await box.sh(FIND_CPU)).trim()
  if (cpu === '') {
    t.pass('this kernel lets no namespace be bound to a file here: the plugin cannot run')
    return
  }
  await box.write('/etc/slurm/job_container.conf', 'AutoBasePath=true\nBasePath=/srv/jobs\n')
  await box.sh('touch /tmp/of-the-host')
  await startSlurm(box, {
    pamLines: [PAM_LINE],
    config: ['JobContainerType=job_container/tmpfs'],
    prologFlags: 'Contain',
    starter: ['taskset', '-c', cpu],
  })
  const script = 'ls -A /tmp; touch /tmp/x; srun ls /tmp; grep " /tmp " /proc/self/mountinfo'
  await ended(box, await submit(box, 'alice', script, '-o /home/alice/out'))
  await t.test('the job runs in the plugin’s, polyns says so and makes nothing', async (t) => {
    t.match(
      await box.read('/home/alice/out'),
      /^x\n.* \/srv\/jobs\/node1\/\d+\/\S+ \/tmp /,
      'the job has the plugin’s',
    )
    t.equal(await box.sh('sinfo -h -o %T'), 'idle\n')
    const lines = (await box.syslog()).filter((line) => line.includes(' polyns['))
    t.ok(lines.length >= 2, 'one for each step')
    for (const line of lines)
      t.match(line, /slurm: session of alice left to job_container\/tmpfs, which '.*slurm.conf'/)
    t.equal(await box.sh('ls -A /tmp'), 'of-the-host\n')
  })
})
