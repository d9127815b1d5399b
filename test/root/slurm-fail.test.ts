/* What happens to a SLURM node when polyns fails, or a job is cancelled while polyns works for it; and its epilog. */
import t from 'tap'
import { installPolyns, PAM_LINE, POLYNS } from '../support/install.js'
import { plainStack } from '../support/logins.js'
import { needs } from '../support/needs.js'
import { sleep } from '../support/run.js'
import { Sandbox } from '../support/sandbox.js'
import { ended, startSlurm, submit, until } from '../support/slurm.js'

const skip = needs('root', 'layer', 'dist')

const CONFIG = '/tmp /tmp/inst/ user:noinit root\n'
const state = async (box: Sandbox) => (await box.sh('sinfo -h -o %T')).trim()

t.test('a polyns that fails in the slurm stack', { skip }, async (t) => {
  await using box = await Sandbox.start({ name: 'node1' })
  await installPolyns(box, CONFIG)
  await startSlurm(box, { pamLines: [`${PAM_LINE} --fail-open`], epilog: `#!/bin/sh\n${POLYNS} epilog\n` })
  const srun = (command: string) =>
    box.run(['srun', 'bash', '-c', command], { user: 'alice', timeoutMs: 10_000 })
  await box.sh('touch /tmp/of-the-host')
  t.equal((await srun('ls /tmp')).stdout, '')
  await box.sh('rm -rf /run/polyns/last-good; echo "/tmp nonsense" >/etc/polyns/namespace.conf')

  await t.test('with --fail-open the job runs in the host’s view, and the node stays', async (t) => {
    t.match(await srun('ls /tmp'), { status: 0, stdout: /of-the-host/ })
    t.match(
      (await box.syslog()).filter((line) => line.startsWith('authpriv.alert')),
      [
        /slurm: open_session of alice: failed, and goes on in the HOST'S VIEW because of --fail-open: .*namespace\.conf/,
      ],
    )
    await until(box, 'test "$(sinfo -h -o %T)" = idle')
  })
  await t.test(
    'without it the job does not start and the node drains, until somebody resumes it',
    async (t) => {
      await box.pam('slurm', plainStack([PAM_LINE]))
      const job = await submit(box, 'alice', 'ls /tmp >/home/alice/list')
      await until(box, 'sinfo -h -o %T | grep -q drain')
      t.match(await box.sh('sinfo -h -R -o %E'), /batch job complete failure|error/i)
      t.match(
        (await box.syslog()).join('\n'),
        /authpriv\.err polyns.*slurm: open_session of alice: refused: /,
      )
      await box.write('/etc/polyns/namespace.conf', CONFIG)
      await box.sh('scontrol update nodename=node1 state=resume')
      await box.run(['scontrol', 'release', job])
      t.match(await srun('ls /tmp'), { status: 0, stdout: '' })
      t.notMatch(await state(box), /drain/)
      await box.run(['scancel', job])
      await ended(box, job)
      await until(box, '! pgrep slurmstepd') // it outlives its job by a moment
    },
  )
})

t.test('jobs that are cancelled while their session opens', { skip }, async (t) => {
  await using box = await Sandbox.start({ name: 'node1' })
  await installPolyns(box, CONFIG)
  await startSlurm(box, { pamLines: [PAM_LINE], epilog: `#!/bin/sh\n${POLYNS} epilog\n` })
  const scripts = Array.from({ length: 6 }, () => submit(box, 'alice', 'sleep 100'))
  const jobs = await Promise.all(scripts)
  // On two processors they come one after the other, so each is met at another point.
  await until(box, 'grep -q "Launching batch" /var/log/slurm/slurmd.log')
  await sleep(150)
  await box.sh('scancel -u alice')
  for (const job of jobs) await ended(box, job)
  for (const delayMs of [60, 110, 160, 210]) {
    const srun = box.spawn(['srun', 'sleep', '100'], { user: 'alice' })
    await sleep(delayMs)
    await box.sh('scancel -s KILL -u alice; scancel -u alice')
    await srun.exited
    await until(box, 'test -z "$(squeue -h)"')
  }
  t.equal(await state(box), 'idle')
  t.notOk(box.processes().some(({ uid, command }) => uid === 5001 || /slurmstepd|polyns/.test(command)))
  t.equal(await box.sh('ls /run/polyns/sessions'), '')
  t.equal(await box.sh('flock -n /run/polyns/lock/5001 echo free'), 'free\n')
})

t.test('the epilog', { skip }, async (t) => {
  await using box = await Sandbox.start({ name: 'node1' })
  await installPolyns(box, CONFIG)
  const epilog = `#!/bin/sh\n${POLYNS} epilog --kill --json >>/run/epilog\n`
  await startSlurm(box, { pamLines: [PAM_LINE], epilog })

  await t.test('frees the node at once, also of what the job has left running', async (t) => {
    const left = 'setsid sleep 1000 </dev/null >/dev/null 2>&1 & touch /home/alice/there'
    const job = await submit(box, 'alice', left)
    await until(box, 'test -e /home/alice/there')
    const from = Date.now()
    await ended(box, job)
    t.ok(Date.now() - from < 5000)
    t.equal(await state(box), 'idle')
    t.notOk(box.processes().some(({ uid }) => uid === 5001))
    t.match(JSON.parse((await box.read('/run/epilog')).trim().split('\n').at(-1) ?? ''), {
      removed: ['/tmp/inst/alice'],
      complete: true,
    })
  })
  await t.test('is not needed for what slurmd itself writes, in the host’s view', async (t) => {
    const script = 'sbcast /bin/true /tmp/cast; ls /tmp >/home/alice/list; srun ls /tmp >>/home/alice/list'
    await ended(box, await submit(box, 'alice', script))
    t.equal(await box.read('/home/alice/list'), '')
    t.equal(await box.sh('ls /tmp'), 'cast\ninst\n')
    await box.sh('rm /tmp/cast')
  })
  await t.test('does nothing for whom it should not believe, and never drains the node', async (t) => {
    await box.sh(`${POLYNS} exec -u alice -- touch /tmp/kept`)
    const before = await box.sh('ls -lR /tmp /run/polyns')
    const users = [
      '',
      'root',
      '..',
      '.',
      '/',
      'alice/../bob',
      '-alice',
      'no-such-user',
      'alice\n',
      '$(id)',
      '*',
    ]
    for (const SLURM_JOB_USER of users) {
      const result = await box.run([POLYNS, 'epilog', '--kill'], {
        env: { SLURM_JOB_ID: '1', SLURM_JOB_USER },
      })
      t.match(
        result,
        { status: 0, heldOpen: false, stderr: /^polyns: epilog: SLURM_JOB_USER=/ },
        SLURM_JOB_USER,
      )
    }
    t.match(
      await box.run([POLYNS, 'epilog']),
      { status: 0, stderr: /SLURM_JOB_ID/ },
      'by hand, without anything',
    )
    const env = { SLURM_JOB_ID: '1', SLURM_JOB_USER: 'alice', SLURM_JOB_UID: '0' }
    t.match(await box.run([POLYNS, 'epilog'], { env }), { status: 0, stderr: /SLURM_JOB_UID/ })
    t.equal(await box.sh('ls -lR /tmp /run/polyns'), before)
  })
  await t.test('runs beside itself, again, and without PATH', async (t) => {
    const env = { SLURM_JOB_ID: '1', SLURM_JOB_USER: 'alice', SLURM_JOB_UID: '5001' }
    const call = () =>
      box.run(['env', '-i', ...Object.entries(env).map((pair) => pair.join('=')), POLYNS, 'epilog'])
    const all = await Promise.all([call(), call(), call()])
    t.same(
      all.map(({ status, stderr }) => ({ status, stderr })),
      Array(3).fill({ status: 0, stderr: '' }),
    )
    t.match(await call(), { status: 0, stdout: 'nothing to do\n' })
  })
})
