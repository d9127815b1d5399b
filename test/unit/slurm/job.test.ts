import t from 'tap'
import { jobIdOf, parseCgroupJob, parseStepTitle } from '../../../src/slurm/job.js'

t.test('the job is read from the cgroup of every generation of Slurm', async (t) => {
  const cases: [string, string, unknown][] = [
    ['v1', '5:freezer:/slurm/uid_1000/job_123/step_batch\n', { id: '123' }],
    ['v1 with several slurmd', '4:memory:/slurm_node1/uid_1000/job_7/step_0/task_0\n', { id: '7' }],
    ['v1 in a container', '4:cpuset:/docker/0a1b/slurm/uid_0/job_9\n', { id: '9' }],
    ['v2', '0::/system.slice/slurmstepd.scope/job_123/step_0/user/task_0\n', { id: '123' }],
    ['v2 with several slurmd', '0::/system.slice/node1_slurmstepd.scope/job_4/step_extern\n', { id: '4' }],
    ['v2 without systemd', '0::/slurmstepd.scope/job_88\n', { id: '88' }],
    [
      '26.05, where the job has no number',
      '0::/system.slice/slurmstepd.scope/s0123456789ABC/step_0\n',
      'sluid',
    ],
    [
      'one line of many',
      '12:pids:/system.slice/slurmd.service\n5:freezer:/slurm/uid_1/job_3/step_1\n0::/system.slice/slurmd.service\n',
      { id: '3' },
    ],
  ]
  for (const [what, text, job] of cases) t.same(parseCgroupJob(text), job, what)
})

t.test('nothing that is not Slurm’s own counts', async (t) => {
  const cases: [string, string][] = [
    ['no cgroup at all', ''],
    ['a login', '0::/user.slice/user-1000.slice/session-3.scope\n'],
    ['slurmd itself', '0::/system.slice/slurmd.service\n'],
    ['the scope itself', '0::/system.slice/slurmstepd.scope/system\n'],
    ['a job without a number', '0::/system.slice/slurmstepd.scope/job_/step_0\n'],
    ['a job that goes on after the number', '0::/system.slice/slurmstepd.scope/job_5x/step_0\n'],
    ['job_ anywhere', '0::/system.slice/job_5\n'],
    ['a scope with a longer name', '0::/system.slice/slurmstepd.scope.d/job_5\n'],
    ['no user below slurm', '0::/slurm/job_5\n'],
    ['an unknown SLUID', '0::/system.slice/slurmstepd.scope/s0123456789abc/step_0\n'],
    ['a line of other text', 'job /slurm/uid_1/job_5\n'],
  ]
  for (const [what, text] of cases) t.equal(parseCgroupJob(text), null, what)
})

t.test('nor does what a user can make below the cgroups that systemd gave him', async (t) => {
  const own = '/user.slice/user-1000.slice/user@1000.service'
  for (const path of [
    `${own}/app.slice/slurmstepd.scope/job_5/step_0`,
    `${own}/app.slice/x_slurmstepd.scope/s0123456789ABC/step_0`,
    `${own}/slurm/uid_1000/job_5`,
    '/user.slice/user-1000.slice/slurmstepd.scope/job_5',
    `/docker/0a1b${own}/slurm/uid_1000/job_5`,
    '/machine.slice/user@1000.service/slurmstepd.scope/job_5',
  ]) {
    t.equal(parseCgroupJob(`0::${path}\n`), null, path)
    t.equal(parseCgroupJob(`1:name=systemd:${path}\n`), null, path)
  }
})

t.test('the title of slurmstepd gives the job of a step', async (t) => {
  t.equal(parseStepTitle('slurmstepd: [123.batch]'), '123')
  t.equal(parseStepTitle('slurmstepd: [123.0]\0\0'), '123')
  t.equal(parseStepTitle('slurmstepd: [7.extern]'), '7')
  for (const title of [
    '',
    'slurmstepd',
    'slurmstepd: [1]',
    'slurmstepd: [x.0]',
    ' slurmstepd: [1.0]',
    'x slurmstepd: [1.0]',
  ])
    t.equal(parseStepTitle(title), null, title)
})

t.test('a process outside of any job has none, whatever the environment says', async (t) => {
  t.equal(jobIdOf(process.pid, '5'), null)
  t.equal(jobIdOf(2 ** 30, '5'), null, 'nor has one that has ended')
})
