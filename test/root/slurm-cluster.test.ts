/* A cluster of two nodes: what the parts of a job see on each of them, what is left there, and one node's failure. */
import t, { type Test } from 'tap'
import { type Cluster, startCluster } from '../support/cluster.js'
import { installPolyns, PAM_LINE, POLYNS } from '../support/install.js'
import { needs } from '../support/needs.js'
import type { Sandbox } from '../support/sandbox.js'
import { arrived, ended, instances, letGo, pause, submit, until } from '../support/slurm.js'

const skip = needs('root', 'layer', 'dist', 'veth')
t.setTimeout(300_000) // its waits are SLURM's: half a minute on an idle machine, more on a busy one

const config = (scope: string) =>
  ['/tmp', '/dev/shm'].map((dir) => `${dir} ${dir}/inst/ user:noinit:scope=${scope} root\n`).join('')

function cluster(scope: string, prolog: { prolog?: string } = {}): Promise<Cluster> {
  const furnish = async (box: Sandbox) => {
    await installPolyns(box, config(scope))
    await box.sh('install -d -m 1777 /srv/out; touch /tmp/of-the-host /dev/shm/of-the-host')
  }
  const epilog = `#!/bin/sh\n${POLYNS} epilog --wait 5s\n`
  return startCluster(furnish, { pamLines: [PAM_LINE], epilog, ...prolog })
}

/** A step's command: one line for each node, with the names that it sees there. */
const LOOK = 'echo $SLURMD_NODENAME: $(ls /tmp) / $(ls /dev/shm)'
const sorted = (text: string) => text.split('\n').filter(Boolean).sort()

/** @returns the lines in order, of whatever node, and what srun itself says */
async function srun(n1: Sandbox, options: string, command: string, user = 'alice') {
  const argv = ['srun', ...options.split(' '), 'bash', '-c', command]
  const { stdout, stderr } = await n1.run(argv, { user })
  return { lines: sorted(stdout), stderr }
}

const isUser = (uid: number) => uid === 5001 || uid === 5002
const state = async (n1: Sandbox, node: string) => (await n1.sh(`sinfo -h -n ${node} -o %T`)).trim()

/** What both nodes look like when no job is there. */
async function isClean(t: Test, { n1, n2 }: Cluster): Promise<void> {
  await until(n1, 'test -z "$(squeue -h)"')
  for (const [name, box] of Object.entries({ n1, n2 })) {
    await until(box, '! pgrep slurmstepd') // it outlives its job by a moment
    const left = box.processes().filter(({ command, uid }) => isUser(uid) || /polyns/.test(command))
    t.same(left, [], `${name}: no process`)
    t.same(await instances(box), [], `${name}: no instance`)
    t.equal(
      await box.sh('ls -A /tmp /dev/shm'),
      '/dev/shm:\ninst\nof-the-host\n\n/tmp:\ninst\nof-the-host\n',
      `${name}: nothing in the host’s view`,
    )
    t.equal(await box.sh('cd /run/polyns && ls -A sessions; ls -A jobs'), '', `${name}: no session, no job`)
    const held = 'for lock in /run/polyns/lock/*; do flock -n $lock true || echo $lock; done'
    t.equal(await box.sh(held), '', `${name}: no lock`)
    const mounts = box.mountinfo().filter((line) => /inst|polyns:/.test(line))
    t.same(mounts, [], `${name}: no mount`)
  }
}

for (const scope of ['user', 'job']) {
  t.test(`scope=${scope}: jobs of two users on both nodes`, { skip }, async (t) => {
    await using both = await cluster(scope)
    const { n1, n2 } = both
    const mounts = [n1, n2].map((box) => box.mountinfo())
    const users = ['alice', 'bob']
    const jobs: string[] = []
    for (const user of users) {
      const script = `exec >/srv/out/${user}
        touch /tmp/of-batch
        srun bash -c 'echo $SLURMD_NODENAME ${user} >/tmp/mine; cp /tmp/mine /dev/shm/$SLURMD_NODENAME'
        srun --overlap bash -c '${LOOK}; cat /tmp/mine /dev/shm/n?; ${pause(`${user}1`)}' &
        srun --overlap bash -c '${pause(`${user}2`)}' &
        wait`
      jobs.push(await submit(n1, user, script, '-N2'))
    }
    const steps = users.flatMap((user) => [`${user}1`, `${user}2`])
    for (const box of [n1, n2]) for (const step of steps) await arrived(box, step)

    await t.test('each user has a view of his own on each node, for all steps that run there', async (t) => {
      for (const box of [n1, n2]) {
        // One that is just ending has none any more.
        const running = box.processes().filter(({ mntNs }) => mntNs !== '')
        const views = [5001, 5002].map(
          (uid) => new Set(running.filter((p) => p.uid === uid).map(({ mntNs }) => mntNs)),
        )
        t.same(
          views.map(({ size }) => size),
          [1, 1],
        )
        t.equal(new Set([box.host.mntNs, ...views.flatMap((view) => [...view])]).size, 3)
        t.same(
          await instances(box),
          users.flatMap((user, i) => Array(2).fill(scope === 'job' ? `${user}.job${jobs[i]}` : user)),
          'named alike on both nodes',
        )
      }
    })
    await t.test('another job of hers meanwhile', async (t) => {
      const seen = scope === 'job' ? ['n1: /', 'n2: /'] : ['n1: mine of-batch / n1', 'n2: mine / n2']
      t.same((await srun(n1, '-N2', LOOK)).lines, seen)
    })
    for (const box of [n1, n2]) for (const step of steps) await letGo(box, step)
    for (const job of jobs) await ended(n1, job)
    for (const user of users) {
      const perNode = ['n1: mine of-batch / n1', 'n2: mine / n2']
      const seen = [...perNode, ...['n1', 'n1', 'n2', 'n2'].map((node) => `${node} ${user}`)].sort()
      t.same(sorted(await n1.read(`/srv/out/${user}`)), seen, 'the files of this node, of this user')
    }
    await isClean(t, both)
    const mountsNow = [n1, n2].map((box) => box.mountinfo())
    t.same(mountsNow, mounts)

    await t.test('a job keeps its files on a node where it has no process between two steps', async (t) => {
      const script = `exec >/srv/out/steps
        srun bash -c 'touch /tmp/first /dev/shm/first'
        ${pause('between')}
        srun bash -c '${LOOK}'`
      const job = await submit(n1, 'alice', script, '-N2')
      await arrived(n1, 'between')
      await until(n2, '! pgrep slurmstepd')
      await ended(n1, await submit(n1, 'alice', 'true', '-N1 -w n2'))
      t.match(await n2.sh(`${POLYNS} reap`), /alice has job/, 'a reap keeps them too')
      await letGo(n1, 'between')
      await ended(n1, job)
      t.same(sorted(await n1.read('/srv/out/steps')), ['n1: first / first', 'n2: first / first'])
    })
    await isClean(t, both)
  })
}

t.test('one node on which polyns fails', { skip }, async (t) => {
  await using both = await cluster('user')
  const { n1, n2 } = both
  const resume = () => n1.sh('scontrol update nodename=n2 state=resume')
  const runsOnBoth = async (t: Test) => t.same((await srun(n1, '-N2', LOOK)).lines, ['n1: /', 'n2: /'])
  await runsOnBoth(t)
  await isClean(t, both)
  const otherRuns = async (t: Test) => {
    t.equal(await state(n1, 'n1'), 'idle')
    for (const user of ['alice', 'bob']) {
      const { lines } = await srun(n1, '-N1 -w n1', `touch /tmp/${user}; ${LOOK}`, user)
      t.same(lines, [`n1: ${user} /`])
    }
    t.notMatch((await n1.syslog()).join('\n'), /refused/)
    await until(n1, 'test -z "$(squeue -h)"') // the epilogs have run, or her next job would find her files
  }

  await t.test(
    'an instance parent that is a user’s drains it, until it is repaired and resumed',
    async (t) => {
      await n2.sh('chown bob /tmp/inst')
      const { lines, stderr } = await srun(n1, '-N2', `touch /tmp/$SLURMD_NODENAME; ${LOOK}`)
      t.same(lines, ['n1: n1 /'])
      t.match(stderr, /task 1 launch failed/)
      await until(n1, 'test -z "$(squeue -h)"')
      await until(n1, 'sinfo -h -n n2 -o %T | grep -q drained')
      t.match(await n1.sh('sinfo -h -R -o "%N %E"'), /^n2 Epilog error/)
      t.match(
        (await n2.syslog()).join('\n'),
        /authpriv\.err polyns.*open_session of alice: refused: \/tmp\/inst: owner is uid 5002/,
      )
      t.match((await srun(n1, '-N1 -w n2 -I', LOOK)).stderr, /Unable to allocate/)
      await otherRuns(t)
      await n2.sh('chown root /tmp/inst')
      await resume()
      await runsOnBoth(t)
      await isClean(t, both)
    },
  )

  await t.test('a configuration that was never good stops the sessions there, and no others', async (t) => {
    const good = await n2.read('/etc/polyns/namespace.conf')
    await n2.sh('rm -rf /run/polyns/last-good; echo "/tmp nonsense" >/etc/polyns/namespace.conf')
    const job = await submit(
      n1,
      'alice',
      `exec >/srv/out/wide 2>/srv/out/error; srun bash -c '${LOOK}'`,
      '-N2',
    )
    await ended(n1, job)
    t.equal(await n1.read('/srv/out/wide'), 'n1: /\n')
    t.match(await n1.read('/srv/out/error'), /task 1 launch failed/)
    t.equal(await state(n1, 'n2'), 'idle', 'a step that was refused drains nothing')

    const lost = await submit(n1, 'alice', 'touch /srv/out/lost', '-N1 -w n2')
    await until(n1, 'sinfo -h -n n2 -o %T | grep -q drained')
    t.match(await n1.sh('sinfo -h -R -o "%N %E"'), /^n2 batch job complete f/)
    t.match(
      await n1.sh(`scontrol show job ${lost}`),
      /JobState=COMPLETED[\s\S]*Restarts=0[\s\S]*ExitCode=0:0/,
    )
    t.equal((await n2.run('ls /srv/out/lost')).status, 2, 'a batch script that was refused does')
    await otherRuns(t)
    await n2.write('/etc/polyns/namespace.conf', good)
    await resume()
    await runsOnBoth(t)
    await isClean(t, both)
  })
})

t.test(
  'a prolog that tries a session: the node drains, and the job goes back to the queue',
  { skip },
  async (t) => {
    const prolog = `#!/bin/sh\nexec ${POLYNS} exec -u "$SLURM_JOB_USER" -- true\n`
    await using both = await cluster('job', { prolog })
    const { n1, n2 } = both
    t.same((await srun(n1, '-N2', LOOK)).lines, ['n1: /', 'n2: /'])
    await isClean(t, both)
    const breaks = {
      'a bad parent': ['chown bob /tmp/inst', 'chown root /tmp/inst'],
      'a bad configuration': [
        'rm -rf /run/polyns/last-good; sed -i "1i nonsense" /etc/polyns/namespace.conf',
        'sed -i 1d /etc/polyns/namespace.conf',
      ],
    }
    for (const [name, [spoil = '', repair = '']] of Object.entries(breaks)) {
      await t.test(name, async (t) => {
        await n2.sh(spoil)
        const job = await submit(n1, 'alice', `srun bash -c '${LOOK}' >/srv/out/tried`, '-N2')
        await until(n1, `squeue -h -o %T -j ${job} | grep PENDING && sinfo -h -n n2 -o %T | grep -q drained`)
        t.match(await n1.sh('sinfo -h -R -o "%N %E"'), /^n2 (Prolog|Epilog) error/)
        await n2.sh(repair)
        await n1.sh('scontrol update nodename=n2 state=resume')
        await n1.sh(`scontrol release ${job} && scontrol update job=${job} starttime=now`)
        await ended(n1, job)
        t.same(sorted(await n1.read('/srv/out/tried')), ['n1: /', 'n2: /'], 'and it runs later')
        await isClean(t, both)
      })
    }
  },
)
