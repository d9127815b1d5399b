/*
 * polyns doctor on the machine itself: rights, configuration, launcher. Yama, SELinux and the limits are the real machine's and
 * not to be changed: test/unit/doctor has those.
 */
import t from 'tap'
import { doctor, findingsOf, mends } from '../support/doctor.js'
import { installPolyns, PAM_LINE, POLYNS, TMP_AND_SHM } from '../support/install.js'
import { needs } from '../support/needs.js'
import { Sandbox } from '../support/sandbox.js'

const skip = needs('root', 'layer', 'dist')
const CONF = '/etc/polyns/namespace.conf'

async function host(): Promise<Sandbox> {
  const box = await Sandbox.start()
  await installPolyns(box, TMP_AND_SHM)
  await box.sh(`${POLYNS} setup; echo '${PAM_LINE}' >>/etc/pam.d/cron`)
  return box
}

t.test('a caller with fewer rights than root', { skip }, async (t) => {
  await using box = await host()
  const as = async (capability: string) => {
    const r = await box.run(`setpriv --bounding-set -${capability} ${POLYNS} doctor --all`)
    t.match(r, { status: 4, stderr: /^$/ }, 'is told by the exit status')
    return r.stdout
  }
  const traceless = await as('sys_ptrace')
  t.match(traceless, /^error {4}rights: this process lacks CAP_SYS_PTRACE: /m)
  t.match(
    traceless,
    /^error {4}host-namespace: finding the host's mount namespace: .*hides \/proc\/1\/ns\/mnt/m,
  )
  t.match(traceless, /^ok {7}kernel: /m, 'the other checks run all the same')
  t.match(traceless, /^ok {7}config: /m)
  t.match(await as('sys_admin'), /^error {4}rights: this process lacks CAP_SYS_ADMIN: /m)
  t.match(await box.run([POLYNS, 'doctor'], { user: 'alice' }), { status: 4, stderr: /needs root/ })
  t.match(await findingsOf(box, 'rights'), [])
})

t.test('a caller in another namespace than the host’s sees the host', { skip }, async (t) => {
  await using box = await host()
  const { stdout } = await box.run(
    `unshare --mount sh -c 'mount -t tmpfs x /etc/polyns; ls /etc/polyns; ${POLYNS} doctor --all'`,
  )
  t.match(stdout, /^ok {7}config: \/etc\/polyns\/namespace.conf: 2 lines$/m)
})

t.test('the configuration', { skip }, async (t) => {
  await using box = await host()
  const good = await box.read(CONF)
  const id = 'config'
  // The mend of a mistake is a person's; this one is to take it back.
  const by = `printf '%s' '${good}' >${CONF}`
  const broken = { id, severity: 'error', break: `echo '/x /x.inst/ nonsense' >>${CONF}`, by } as const
  t.match(await mends(t, box, { ...broken, saw: /conf:3:\d+: .*nonsense/ }), { why: /use the last good/ })
  await box.sh('rm -r /run/polyns/last-good')
  t.match(await mends(t, box, broken), { why: /every session is refused/ })
  await box.sh(broken.break)
  t.equal((await doctor(box)).status, 3)
  t.same(
    (await doctor(box)).found.filter(({ saw }) => /could not look/.test(saw)),
    [],
    'no other check stumbles over it',
  )
  await box.sh(by)
  await mends(t, box, { id, severity: 'warning', break: `: >${CONF}`, by, saw: /no line/ })
  await mends(t, box, { id, severity: 'error', break: `chmod g+w ${CONF}`, saw: /can write/ })
  await mends(t, box, { id, severity: 'error', break: `chown alice /etc/polyns`, saw: /belongs to uid 5001/ })
})

t.test('root among those who get a private directory', { skip }, async (t) => {
  await using box = await host()
  const id = 'root-excluded'
  await mends(t, box, { id, severity: 'warning', break: `sed -i '1s/ root//' ${CONF}`, saw: /conf:1: \/tmp/ })
  await mends(t, box, {
    id,
    severity: 'warning',
    break: `sed -i '2s/root/carol/' ${CONF}`,
    saw: /conf:2: \/dev/,
  })
  t.match(await box.read(CONF), /noinit root\n.*noinit carol,root\n$/)
  const only = { id, severity: 'warning', break: `sed -i '1s/root$/~root,alice/' ${CONF}` } as const
  await mends(t, box, { ...only, by: `sed -i '1s/~root,alice/root/' ${CONF}` })
})

t.test('the program that the PAM lines name', { skip }, async (t) => {
  await using box = await host()
  const id = 'launcher'
  const severity = 'error'
  await mends(t, box, {
    id,
    severity,
    break: `sed -i s:/usr/sbin/polyns:/usr/local/bin/polyns: /etc/pam.d/cron`,
    saw: /^\/usr\/local\/bin\/polyns is not there/,
  })
  // A copy of its own, since what it is made of is looked at too.
  await box.sh('mkdir /usr/lib/polyns; cp -r /opt/polyns/bin /opt/polyns/dist /usr/lib/polyns')
  await box.sh(
    'ln -s /opt/polyns/node_modules /usr/lib/polyns; ln -sfn /usr/lib/polyns/bin/polyns /usr/local/bin/polyns',
  )
  const spoil = (how: string) => ({ id, severity, break: how }) as const
  await mends(t, box, {
    ...spoil('chown alice /usr/lib/polyns/bin/polyns'),
    saw: /bin\/polyns belongs to uid 5001/,
  })
  await mends(t, box, {
    ...spoil('chmod 775 /usr/lib/polyns/dist'),
    saw: /dist can be written by others \(mode 0775\)/,
  })
  await mends(t, box, {
    ...spoil('chown bob /usr/lib/polyns/dist/pam.cjs'),
    saw: /pam.cjs belongs to uid 5002/,
  })
  await mends(t, box, { ...spoil('chmod 777 /usr/local'), saw: /\/usr\/local can be written/ })
  await mends(t, box, { ...spoil('chmod 644 /usr/lib/polyns/bin/polyns'), saw: /is not executable/ })
  await mends(t, box, {
    ...spoil('echo "nonsense(" >/usr/lib/polyns/dist/start.cjs'),
    saw: /does not start/,
    by: 'cp /opt/polyns/dist/start.cjs /usr/lib/polyns/dist',
  })
  await mends(t, box, {
    ...spoil(
      'cp -r /usr/lib/polyns /tmp; sed -i s:/usr/local/bin/polyns:/tmp/polyns/bin/polyns: /etc/pam.d/cron',
    ),
    saw: /lies in \/tmp, which is private by .*conf:1$/,
    by: 'sed -i s:/tmp/polyns/bin/polyns:/usr/local/bin/polyns: /etc/pam.d/cron',
  })
})
