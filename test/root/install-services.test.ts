/* Stacks that install has written, and the programs that they belong to: su, cron, a SLURM job, and a configuration of old. */
import t from 'tap'
import { polyns } from '../support/installed.js'
import { plainStack } from '../support/logins.js'
import { needs } from '../support/needs.js'
import { Sandbox } from '../support/sandbox.js'
import { startSlurm, submit, until } from '../support/slurm.js'
import { Lookout } from './caller.js'

const skip = needs('root', 'layer', 'dist')

t.test('su, login and cron', { skip }, async (t) => {
  await using box = await Sandbox.start()
  const lookout = await Lookout.on(box)
  const pam = 'su,su-l,runuser,login,cron'
  t.match(await polyns(box, 'install', '--pam', pam, '--trial-user', 'alice'), { status: 0 })
  await lookout.mark('host', '/tmp')
  const onHost = { user: 'alice', whose: 'host', ns: box.mntNs() }
  t.match(await lookout.look(lookout.cron('alice')), { user: 'alice', whose: 'none' })
  t.match(await lookout.look(lookout.login('alice')), { user: 'alice', whose: 'none' })
  t.match(await lookout.look(lookout.fromHost((sees) => `runuser -u alice -- ${sees}`)), {
    user: 'alice',
    whose: 'none',
  })
  t.match(await lookout.look(lookout.fromHost((sees) => `su alice -c '${sees}'`)), onHost)
  t.match(await lookout.look(lookout.fromHost((sees) => `su - alice -c '${sees}'`)), onHost)
})

t.test('a SLURM job', { skip }, async (t) => {
  await using box = await Sandbox.start({ name: 'node1', leftovers: 'ignore' })
  await startSlurm(box)
  await box.pam('slurm', plainStack([]))
  t.match(await polyns(box, 'install', '--pam', 'slurm', '--trial-user', 'alice'), { status: 0 })
  t.match(await box.read('/etc/pam.d/slurm'), /\/usr\/sbin\/polyns pam --fail-open\n$/)
  await box.sh('install -d -m 1777 /srv/out; touch /tmp/of-the-host')
  await submit(
    box,
    'alice',
    'ls -A /tmp >/srv/out/new; mv /srv/out/new /srv/out/batch; srun ls -A /tmp >/srv/out/step',
  )
  await until(box, 'test -e /srv/out/step -a -z "$(squeue -h)"')
  t.equal(
    await box.sh('grep -c of-the-host /srv/out/batch /srv/out/step || :'),
    '/srv/out/batch:0\n/srv/out/step:0\n',
  )
})

t.test('pam_namespace’s configuration is used where there is one', { skip }, async (t) => {
  await using box = await Sandbox.start()
  await box.sh('echo "/tmp /tmp/inst/ user root,bob" >>/etc/security/namespace.conf')
  const { status, stdout } = await polyns(box, 'install', '--pam', 'cron', '--trial-user', 'alice')
  t.equal(status, 0)
  t.match(
    stdout,
    /^already +write \/etc\/polyns\/namespace.conf +# \/etc\/security\/namespace.conf has lines/m,
  )
  t.match(await box.run('ls /etc/polyns'), { status: 2 })
  t.match(await box.pamApp({ service: 'cron', user: 'alice' }), {
    open: 0,
    opened: { mounts: /\/tmp\/inst\/alice/ },
  })
  t.match(await polyns(box, 'uninstall'), { status: 0 })
  t.match(await box.read('/etc/security/namespace.conf'), /\/tmp\/inst/)
})

t.test('in a chroot', { skip }, async (t) => {
  await using box = await Sandbox.start()
  await box.sh('mount --rbind / /mnt')
  const before = await box.sh('ls /etc /etc/pam.d /tmp; sha256sum /etc/pam.d/*')
  const result = await box.run(['chroot', '/mnt', '/opt/polyns/bin/polyns', 'install', '--pam', 'su'])
  t.match(result, { status: 4, stderr: /chroot/ })
  t.equal(await box.sh('ls /etc /etc/pam.d /tmp; sha256sum /etc/pam.d/*'), before)
})
