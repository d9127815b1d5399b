/* Doctor's findings about SLURM, on a machine where it runs: `scontrol reconfigure` is the real one. */
import t from 'tap'
import { findingsOf, mends } from '../support/doctor.js'
import { installPolyns, POLYNS } from '../support/install.js'
import { needs } from '../support/needs.js'
import { Sandbox } from '../support/sandbox.js'
import { startSlurm, until } from '../support/slurm.js'

const skip = needs('root', 'layer', 'dist')
const PAM = 'session required pam_exec.so quiet seteuid /usr/sbin/polyns pam --fail-open'
const CONF = '/etc/slurm/slurm.conf'

t.test('SLURM and polyns on one machine', { skip }, async (t) => {
  await using box = await Sandbox.start()
  await installPolyns(box)
  await box.sh(`${POLYNS} setup`)
  const epilog = '#!/bin/sh\nexec /usr/sbin/polyns epilog --wait 5s\n'
  await startSlurm(box, { pamLines: [PAM], epilog })
  const set = (name: string, value: string) =>
    `sed -i '/^${name}=/Id' ${CONF}; echo '${name}=${value}' >>${CONF}`

  await t.test('as it should be', async (t) => {
    for (const id of ['pam', 'plugin', 'spool', 'epilog', 'xauthority', 'scope'])
      t.strictSame(await findingsOf(box, `slurm-${id}`), [], id)
  })

  await t.test('UsePAM', async (t) => {
    await mends(t, box, { id: 'slurm-pam', severity: 'warning', break: set('UsePAM', '0'), saw: /UsePAM=0$/ })
    t.match(await box.read(CONF), /^UsePAM=1$/m)
    await mends(t, box, {
      id: 'slurm-pam',
      severity: 'warning',
      break: `sed -i /^UsePAM/d ${CONF}`,
      saw: /UsePAM=0 by default$/,
    })
    t.match(await box.sh('scontrol show config | grep -i usepam'), /= Yes\n/, 'SLURM has heard of it')
  })

  await t.test('the PAM stack', async (t) => {
    const id = 'slurm-pam'
    await mends(t, box, { id, severity: 'warning', break: 'rm /etc/pam.d/slurm', saw: /there is no/ })
    await until(box, 'test "$(sinfo -h -o %T)" = idle')
    t.match(
      await box.run('srun findmnt -n -o SOURCE /tmp', { user: 'alice', cwd: '/home/alice' }),
      { status: 0, stdout: /polyns-inst\/alice/ },
      'and a job has its private directory',
    )
    await mends(t, box, {
      id,
      severity: 'warning',
      break: 'sed -i /polyns/d /etc/pam.d/slurm',
      saw: /does not call/,
    })
  })

  await t.test('the spool directory', async (t) => {
    await mends(t, box, {
      id: 'slurm-spool',
      severity: 'error',
      break: `cp ${CONF} /root/conf; ${set('SlurmdSpoolDir', '/tmp/spool.%n')}`,
      saw: /SlurmdSpoolDir=\/tmp\/spool\.%n is below \/tmp$/,
      by: `cp /root/conf ${CONF}`,
    })
    t.match(await box.run([POLYNS, 'doctor']), { status: /^[01]$/ })
  })

  await t.test('the epilog', async (t) => {
    const id = 'slurm-epilog'
    await mends(t, box, {
      id,
      severity: 'warning',
      break: set('PrologEpilogTimeout', '20'),
      saw: /epilog:2: --wait 5s and --budget 30s, but .*PrologEpilogTimeout=20$/,
    })
    t.equal(
      await box.read('/etc/slurm/epilog'),
      '#!/bin/sh\nexec /usr/sbin/polyns epilog --budget 10s --wait 5s\n',
    )
    await mends(t, box, {
      id,
      severity: 'warning',
      break: `sed -i 's/--budget 10s --wait 5s/--wait=8 --kill --budget=1m/' /etc/slurm/epilog`,
      saw: /--wait 8s and --budget 60s/,
    })
    t.equal(
      await box.read('/etc/slurm/epilog'),
      '#!/bin/sh\nexec /usr/sbin/polyns epilog --wait=8 --kill --budget 7s\n',
    )
    await mends(t, box, {
      id,
      severity: 'warning',
      break: set('PrologEpilogTimeout', '6'),
      saw: /Timeout=6$/,
      by: `sed -i /^PrologEpilogTimeout/d ${CONF}`,
    })
    await mends(t, box, {
      id,
      severity: 'note',
      break: `sed -i 's/polyns epilog/true/' /etc/slurm/epilog`,
      saw: /Epilog=\/etc\/slurm\/epilog does not call/,
      by: `sed -i 's/true/polyns epilog/' /etc/slurm/epilog`,
    })
    await mends(t, box, {
      id,
      severity: 'note',
      break: `sed -i /^Epilog=/d ${CONF}`,
      saw: /there is no Epilog$/,
    })
    t.match(await box.read(CONF), /^Epilog=\/etc\/slurm\/epilog\.d\/polyns$/m)
    t.match(await box.run('test -x /etc/slurm/epilog.d/polyns'), { status: 0 })
  })

  await t.test('X11', async (t) => {
    await mends(t, box, {
      id: 'slurm-xauthority',
      severity: 'warning',
      break: `${set('PrologFlags', 'Alloc,X11')}; ${set('ProctrackType', 'proctrack/pgid')}`, // linuxproc has no X11
      saw: /PrologFlags=Alloc,X11 without/,
    })
    await box.sh(`${set('PrologFlags', 'Alloc')}; ${set('ProctrackType', 'proctrack/linuxproc')}`)
  })

  await t.test('a job of its own for each login', async (t) => {
    await box.sh("sed -i '1s/user:noinit/user:scope=job:noinit/' /etc/polyns/namespace.conf")
    await mends(t, box, {
      id: 'slurm-scope',
      severity: 'note',
      break: "echo 'account required pam_slurm_adopt.so' >>/etc/pam.d/sshd",
      saw: /namespace\.conf:1: scope=job, and .*ProctrackType=proctrack\/linuxproc/,
      by: set('ProctrackType', 'proctrack/cgroup'),
    })
    await box.sh(set('ProctrackType', 'proctrack/linuxproc'))
  })

  await t.test("Slurm's own plugin", async (t) => {
    const id = 'slurm-plugin'
    await mends(t, box, {
      id,
      severity: 'note',
      break: set('JobContainerType', 'job_container/tmpfs'),
      saw: /names job_container\/tmpfs, and \/etc\/pam\.d\/slurm calls polyns$/,
      by: 'sed -i /polyns/d /etc/pam.d/slurm',
    })
    await mends(t, box, {
      id,
      severity: 'warning',
      break: 'echo AutoBasePath=true BasePath=/tmp/containers >/etc/slurm/job_container.conf',
      saw: /BasePath=\/tmp\/containers is below \/tmp$/,
      by: 'sed -i s,/tmp/,/var/lib/, /etc/slurm/job_container.conf',
    })
  })
})
