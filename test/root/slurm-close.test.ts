/* The end of a step of a real SLURM: slurmd sends SIGTERM to all that slurmstepd has started, the close of its session too. */
import t from 'tap'
import { installPolyns, PAM_LINE, POLYNS } from '../support/install.js'
import { needs } from '../support/needs.js'
import { Sandbox } from '../support/sandbox.js'
import { startSlurm, until } from '../support/slurm.js'

const skip = needs('root', 'layer', 'dist')
const STEPS = 12

t.test('the session of each step is closed, whatever slurmd sends', { skip }, async (t) => {
  await using box = await Sandbox.start({ name: 'node1' })
  await installPolyns(box, '/tmp /tmp/inst/ user:noinit root\n')
  await box.write(
    '/etc/polyns/session.d/close/10W-note',
    '#!/bin/sh\necho "$POLYNS_LEADER_PID" >>/run/closed\n',
    0o755,
  )
  await startSlurm(box, { pamLines: [PAM_LINE], epilog: `#!/bin/sh\n${POLYNS} epilog\n` })
  for (let i = 0; i < STEPS; i++) {
    t.match(await box.run(['srun', 'true'], { user: 'alice', timeoutMs: 30_000 }), { status: 0 })
    await until(box, 'test -z "$(squeue -h)"')
  }
  await until(box, '! pgrep -x slurmstepd')
  const log = await box.read('/var/log/slurm/slurmd.log')
  t.match(log, /launch task/i, 'the log tells of the steps')
  t.notMatch(log, /pam_close_session/)
  t.notMatch((await box.syslog()).join('\n'), /pam_exec.*failed|close_session of alice/)
  const leaders = (await box.read('/run/closed')).trim().split('\n')
  t.equal(new Set(leaders).size, STEPS, 'its close hook has run')
  const tally = (await box.read('/run/polyns/tally')).split('\n')
  t.equal(tally.filter((line) => line === 'closed').length, STEPS, 'and it is counted, once')
  t.equal(await box.sh('ls -A /run/polyns/sessions'), '')
  t.equal(await box.sh('sinfo -h -o %T'), 'idle\n')
})
