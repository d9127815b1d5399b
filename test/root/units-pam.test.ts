/* The profile for Debian's pam-auth-update, with the real one: the line comes, works for all who include it, and goes. */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { installPolyns } from '../support/install.js'
import { needs } from '../support/needs.js'
import { Sandbox } from '../support/sandbox.js'

const skip = needs('root', 'layer', 'dist')
const PROFILE = '/usr/share/pam-configs/polyns'
const source = readFileSync(new URL('../../config/pam/pam-auth-update', import.meta.url), 'utf8')
const COMMON = '/etc/pam.d/common-*'

t.test('pam-auth-update', { skip }, async (t) => {
  await using box = await Sandbox.start()
  await installPolyns(box)
  await box.sh('rm -f /usr/share/pam-configs/systemd; pam-auth-update --package') // pam_systemd wants a logind
  const lines = (name: string) => box.sh(`grep -v '^#' /etc/pam.d/${name}`)
  const before = await box.sh(`cat ${COMMON}`)
  await box.write(PROFILE, source)
  await box.sh('pam-auth-update --package')
  for (const name of ['common-session', 'common-session-noninteractive']) {
    t.match(
      (await lines(name)).trimEnd().split('\n').at(-1),
      /^session\s+required\s+pam_exec\.so quiet seteuid \/usr\/sbin\/polyns pam/,
      `${name}: the last line`,
    )
  }
  for (const name of ['common-auth', 'common-account', 'common-password'])
    t.notMatch(await lines(name), /polyns/, name)

  await t.test('Debian’s own stacks include it', async (t) => {
    await box.write(
      '/etc/ssh/sshd_config',
      'ListenAddress 127.0.0.1\nHostKey /etc/ssh/ssh_host_ed25519_key\nUsePAM yes\n',
    )
    const stack = (await box.read('/etc/pam.d/sshd')).split('\n')
    const sshd = await box.startSshd()
    await box.pam('sshd', stack)
    await box.sh('touch /tmp/everybodys')
    const says = async (command: string) => {
      const { status, stdout, stderr } = await box.ssh('alice', command)
      return status === 0 ? stdout.trim() : `${status}: ${stderr}`
    }
    t.equal(await says('touch /tmp/mine; ls /tmp'), 'mine', 'ssh')
    t.equal(await says('sudo -n ls /tmp'), 'everybodys\npolyns-inst', 'root by sudo has the host’s')
    t.equal(
      await says('sudo -n su bob -c "touch /tmp/bobs; ls /tmp"'),
      'bobs',
      'su: the private one of that user',
    )
    t.equal(await says('sudo -n -u bob ls /tmp'), 'bobs', 'sudo -u: the same')
    await box.end(sshd)
  })

  await box.sh(`pam-auth-update --package --remove polyns; rm ${PROFILE}`)
  t.equal(await box.sh(`cat ${COMMON}`), before, 'removed')
})

t.test('the lines to copy', { skip }, async (t) => {
  await using box = await Sandbox.start()
  await installPolyns(box)
  for (const name of ['login', 'su', 'slurm', 'systemd-user']) {
    const text = readFileSync(new URL(`../../config/pam/${name}.snippet`, import.meta.url), 'utf8')
    await box.pam('snippet', [
      'auth required pam_permit.so',
      'account required pam_permit.so',
      'session required pam_permit.so',
      text,
    ])
    const report = await box.pamApp({ service: 'snippet', user: 'alice' })
    t.match(report, { open: 0 }, `${name}: a session opens`)
  }
})
