/* Jobs of a real SLURM: what their steps see, what they share, and what is left when they are over. */
import t from 'tap'
import { installPolyns, PAM_LINE, POLYNS } from '../support/install.js'
import { needs } from '../support/needs.js'
import { Sandbox } from '../support/sandbox.js'
import { arrived, ended, instances, letGo, pause, startSlurm, submit, until } from '../support/slurm.js'

const skip = needs('root', 'layer', 'dist')

const USER = '/tmp /tmp/inst/ user:noinit root\n/dev/shm /dev/shm/inst/ user:noinit root\n'

async function cluster(config = USER, options = '--wait 5s'): Promise<Sandbox> {
  const box = await Sandbox.start({ name: 'node1' })
  await installPolyns(box, config)
  const epilog = `#!/bin/sh\n${POLYNS} epilog --json ${options} >>/run/epilog 2>&1\n`
  await startSlurm(box, { pamLines: [PAM_LINE], epilog })
  await box.sh('install -d -m 1777 /srv/out; touch /tmp/of-the-host')
  return box
}

const out = (box: Sandbox, name: string) => box.read(`/srv/out/${name}`)

t.test('batch jobs of two users at once, and the steps in them', { skip }, async (t) => {
  await using box = await cluster()
  const jobs = await Promise.all(
    ['alice', 'bob'].map((user) =>
      submit(
        box,
        user,
        `exec >/srv/out/${user} 2>&1
        echo ${user} >/tmp/from-batch
        readlink /proc/self/ns/mnt
        ${pause(user)}
        srun bash -c 'ls /tmp; cat /tmp/from-batch; echo $SLURM_PROCID >/tmp/from-step; readlink /proc/self/ns/mnt'
        cat /tmp/from-step
        srun --overlap bash -c 'until [ -s /dev/shm/answer ]; do sleep 0.05; done; cat /dev/shm/answer' &
        srun --overlap bash -c 'echo ${user} >/dev/shm/new; mv /dev/shm/new /dev/shm/answer'
        wait
        srun -O -n 3 bash -c 'readlink /proc/self/ns/mnt' | sort | uniq -c
        srun bash -c 'exit 7'; echo $?
        srun bash -c 'kill -TERM $$'; echo $?`,
      ),
    ),
  )
  await arrived(box, 'alice')
  await arrived(box, 'bob')
  const both = box.processes().filter(({ uid }) => uid === 5001 || uid === 5002)
  t.equal(new Set(both.map(({ mntNs }) => mntNs)).size, 2, 'a namespace for each user')
  t.notOk(both.some(({ mntNs }) => mntNs === box.host.mntNs))

  await t.test('slurmstepd has come to no harm', async (t) => {
    const steps = box.processes().filter(({ command }) => /^slurmstepd: \[\d+\.batch\]/.test(command))
    t.equal(steps.length, 2)
    // Root is excluded: his is one that nobody has moved.
    const roots = box.spawn('cd /root; exec srun sleep 1000')
    await until(box, 'pgrep -x sleep -U 0')
    const plain = box.processes().find(({ command }) => /^slurmstepd: \[\d+\.0\]/.test(command))
    const status = async (pid = 0) => {
      const text = await box.read(`/proc/${pid}/status`)
      const words = /^(State|TracerPid|Seccomp|SigBlk|SigIgn|SigCgt|CapEff|Umask):\s+(.*)$/gm
      const cwd = await box.sh(['readlink', `/proc/${pid}/cwd`])
      // slurmstepd itself ignores SIGPIPE for a while, now in this step, now in that.
      const known = (key = '', value = '') => (key === 'SigIgn' ? value.replace(/1(?=000$)/, '0') : value)
      return {
        ...Object.fromEntries(Array.from(text.matchAll(words), ([, key, value]) => [key, known(key, value)])),
        cwd,
      }
    }
    t.equal(plain?.mntNs, box.host.mntNs)
    for (const { pid } of steps) t.same(await status(pid), await status(plain?.pid))
    await box.end(roots)
  })
  for (const user of ['alice', 'bob']) await letGo(box, user)
  for (const job of jobs) await ended(box, job)
  for (const user of ['alice', 'bob']) {
    const [ns = '', ...lines] = (await out(box, user))
      .trim()
      .split('\n')
      .map((line) => line.trim())
    t.match(ns, /^mnt:/)
    t.same(
      lines.filter((line) => !line.startsWith('srun: ')),
      ['from-batch', user, ns, '0', user, `3 ${ns}`, '7', '143'],
      `${user}: one namespace for all steps, files and shared memory of one seen in the next, status handed on`,
    )
  }
  t.same(await instances(box), [], 'nothing is left when the last job is over')
  t.equal(await box.sh('ls /tmp'), 'inst\nof-the-host\n', 'and nothing came to the host')
  t.same(await box.sh('ls /run/polyns/sessions'), '')
})

t.test('the user’s directories stay while anything of his lives', { skip }, async (t) => {
  await using box = await cluster()
  await box.startSshd({ pamLines: [PAM_LINE] })
  const jobs: string[] = []
  for (const name of ['a', 'b', 'c']) {
    jobs.push(await submit(box, 'alice', `echo ${name} >/tmp/${name}; ${pause(name)}`))
  }
  for (const name of ['a', 'b', 'c']) await arrived(box, name)
  t.equal((await box.ssh('alice', 'cat /tmp/?')).stdout, 'a\nb\nc\n', 'a login has the same')

  const started = Date.now()
  await letGo(box, 'a')
  await ended(box, jobs[0] ?? '')
  t.same(await instances(box), ['alice', 'alice'], 'another job')
  t.ok(Date.now() - started < 4000, 'for which the epilog has not waited')
  const login = box.spawn(['ssh', 'alice@127.0.0.1', 'touch /srv/out/at.login; exec cat'], { input: 'pipe' })
  await arrived(box, 'login')
  await letGo(box, 'b')
  await letGo(box, 'c')
  for (const job of jobs) await ended(box, job)
  t.same(await instances(box), ['alice', 'alice'], 'a login')
  login.child.stdin?.end()
  await login.exited
  t.match((await out(box, '../../run/epilog')).trim().split('\n'), [
    /"removed":\[\].*alice has|"removed":\[\].*has a session through slurm/,
    /"removed":\[\]/,
    /"removed":\[\].*has a session through sshd/,
  ])
  await until(box, '! pgrep -u alice')
  await ended(box, await submit(box, 'alice', 'cat /tmp/? >/srv/out/last'))
  t.equal(await out(box, 'last'), 'a\nb\nc\n')
  t.same(await instances(box), [], 'the next job’s epilog finds that all is over')
})

t.test('scope=job: each job has its own, a login has the user’s', { skip }, async (t) => {
  await using box = await cluster(
    '/tmp /tmp/inst/ user:noinit:scope=job root\n/dev/shm /dev/shm/inst/ user:noinit:scope=job root\n',
  )
  await box.startSshd({ pamLines: [PAM_LINE] })
  const jobs: string[] = []
  for (const name of ['a', 'b']) {
    const look = `srun --overlap ls /tmp >/srv/out/${name}`
    jobs.push(await submit(box, 'alice', `echo >/tmp/${name}; ${look}; ${pause(name)}`))
  }
  for (const name of ['a', 'b']) await arrived(box, name)
  const [a = '', b = ''] = jobs
  t.same([await out(box, 'a'), await out(box, 'b')], ['a\n', 'b\n'])
  t.same(
    await instances(box),
    [a, a, b, b].map((job) => `alice.job${job}`),
  )
  t.equal((await box.ssh('alice', 'touch /tmp/login; ls /tmp')).stdout, 'login\n')
  await letGo(box, 'a')
  await ended(box, a)
  t.same(await instances(box), ['alice', 'alice', `alice.job${b}`, `alice.job${b}`])
  await letGo(box, 'b')
  await ended(box, b)
  t.same(await instances(box), [])
})

t.test('an array of 50 short jobs leaves nothing behind', { skip }, async (t) => {
  await using box = await cluster()
  const script = `exec >/srv/out/$SLURM_ARRAY_TASK_ID 2>&1
    f=/tmp/$SLURM_ARRAY_TASK_ID; echo hello >$f; sleep 0.1; cat $f
    if [ "$(stat -c %h /tmp)" = 0 ] || [ -e /tmp/of-the-host ]; then echo wrong; fi`
  const job = await submit(box, 'alice', script, '--array=1-50 -o /dev/null')
  await ended(box, job)
  const said = await box.sh('cat /srv/out/*')
  t.equal(said, 'hello\n'.repeat(50), 'each had its file, in a directory that is there')
  const epilogs = (await box.read('/run/epilog')).trim().split('\n')
  t.same(
    epilogs.filter((line) => !line.startsWith('{"removed":') || !line.includes('"left":[]')),
    [],
  )
  t.equal(epilogs.length, 50)
  t.same(await instances(box), [])
  t.equal(
    await box.sh('ls -A /run/polyns/sessions /run/polyns/jobs /dev/shm/inst'),
    '/dev/shm/inst:\n\n/run/polyns/jobs:\n\n/run/polyns/sessions:\n',
  )
  await box.sh('for lock in /run/polyns/lock/*; do flock -n $lock true || exit; done')
  t.same(
    box.processes().filter(({ command, uid }) => uid === 5001 || /polyns|slurmstepd/.test(command)),
    [],
  )
  t.equal(await box.sh('sinfo -h -o %T'), 'idle\n')
  t.equal(box.mountinfo().filter((line) => line.includes('inst')).length, 0)
})
