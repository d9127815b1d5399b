/* What install does not touch: stacks that it does not understand, files that are not root's alone, logins that fail. */
import t from 'tap'
import { listing, OWN, polyns } from '../support/installed.js'
import { needs } from '../support/needs.js'
import { Sandbox } from '../support/sandbox.js'

const skip = needs('root', 'layer', 'dist')

const LINE = 'session required pam_exec.so quiet seteuid /usr/sbin/polyns pam'
const append = (line: string) => `echo '${line}' >>/etc/pam.d/cron`

interface Case {
  name: string
  break: string
  mend: string
  status: number
  stderr: RegExp
}

const copy = 'cp -a /etc/pam.d/cron /root/cron'
const back = 'rm -f /etc/pam.d/cron; cp -a /root/cron /etc/pam.d/cron'
const stack = (name: string, spoil: string, stderr: RegExp): Case => ({
  name,
  break: `${copy}; ${spoil}`,
  mend: back,
  status: 5,
  stderr,
})

const CASES: Case[] = [
  stack(
    'a line that PAM cannot read',
    append('session sometimes pam_unix.so'),
    /cron:\d+: .*'sometimes' is no control/,
  ),
  stack(
    'an include that is missing',
    append('@include common-nothing'),
    /cron:\d+: includes 'common-nothing'/,
  ),
  stack(
    'a jump over the place',
    append('session [success=1 default=ignore] pam_permit.so'),
    /cron:\d+: .* can pass over/,
  ),
  stack('a line that suffices', append('session sufficient pam_permit.so'), /cron:\d+: .* can pass over/),
  stack(
    'another line of polyns',
    append(`${LINE} --fail-open`),
    /cron:\d+: .* is not the line that install writes/,
  ),
  stack(
    'pam_namespace with a configuration',
    `${append('session required pam_namespace.so')}; echo '/tmp /tmp/i/ user root' >>/etc/security/namespace.conf`,
    /cron:\d+: pam_namespace.so makes directories private too/,
  ),
  stack('a file of a user’s', 'chown alice /etc/pam.d/cron', /cron: belongs to uid 5001/),
  stack(
    'a file that others can write to',
    'chmod g+w /etc/pam.d/cron',
    /cron: can be written by others \(mode 0664\)/,
  ),
  stack('a directory that others can write to', 'chmod 777 /etc/pam.d', /pam.d: can be written by others/),
  stack(
    'a link, as authselect makes them',
    'mkdir -p /etc/authselect; mv /etc/pam.d/cron /etc/authselect/cron; ln -s /etc/authselect/cron /etc/pam.d/cron',
    /cron: is authselect's/,
  ),
  stack(
    'another link',
    'mv /etc/pam.d/cron /etc/other; ln -s /etc/other /etc/pam.d/cron',
    /cron: is a symbolic link to/,
  ),
  stack('a second name', 'ln /etc/pam.d/cron /etc/pam.d/cron2', /cron: has 2 names/),
  stack('a mount', 'mount --bind /etc/pam.d/cron /etc/pam.d/cron', /cron: is a mount point/),
  {
    name: 'a configuration with a mistake',
    break: 'mkdir /etc/polyns; echo "/tmp /tmp/i/ sometimes" >/etc/polyns/namespace.conf',
    mend: 'rm -r /etc/polyns',
    status: 3,
    stderr: /namespace.conf:1.*\n/,
  },
  {
    name: 'another program by that name',
    break: 'cp /bin/true /usr/sbin/polyns',
    mend: 'rm /usr/sbin/polyns',
    status: 5,
    stderr: /\/usr\/sbin\/polyns: is another program/,
  },
]

t.test('refused, with the reason, and nothing is changed', { skip }, async (t) => {
  await using box = await Sandbox.start()
  await box.sh(
    'chmod 755 /etc/pam.d; cp -a /etc/security/namespace.conf /root/namespace.conf 2>/dev/null || :',
  )
  for (const { name, break: spoil, mend, status, stderr } of CASES) {
    await box.sh(spoil)
    const before = await listing(box)
    for (const args of [[], ['--dry-run']]) {
      const result = await polyns(box, 'install', '--pam', 'su,cron', '--trial-user', 'alice', ...args)
      t.match({ ...result, stdout: '' }, { status, stderr }, `${name} ${args.join(' ')}`)
      t.match(result.stderr, /\npolyns install: nothing was changed\n$/)
    }
    t.same(await listing(box), before, `${name}: nothing is changed, in su neither`)
    await box.sh(`umount /etc/pam.d/cron 2>/dev/null; chmod 755 /etc/pam.d; rm -rf /etc/authselect /etc/other /etc/pam.d/cron2
      cp -a /root/namespace.conf /etc/security/namespace.conf 2>/dev/null || rm -f /etc/security/namespace.conf; ${mend}`)
  }
  t.match(await polyns(box, 'install', '--pam', 'nonesuch'), { status: 2, stderr: /no stack for 'nonesuch'/ })
  t.match(await polyns(box, 'install', '--pam', '../x'), { status: 2 })
  t.match(await polyns(box, 'install', '--pam', 'su', '--trial-user', 'nobody-here'), { status: 2 })
  t.match(await box.run([OWN, 'install'], { user: 'alice' }), { status: 4, stderr: /needs root/ })
})

t.test('a tree that others can write to', { skip }, async (t) => {
  await using box = await Sandbox.start()
  await box.sh(`mkdir -p /opt/mine/node_modules; cd /opt/polyns; cp -a bin dist config /opt/mine
    cp -a node_modules/koffi node_modules/@koromix /opt/mine/node_modules; chmod g+w /opt/mine/dist/pam.cjs`)
  const before = await listing(box)
  const result = await box.run(['/opt/mine/bin/polyns', 'install', '--pam', 'su'])
  t.match(result, { status: 5, stderr: /\/opt\/mine\/dist\/pam.cjs: can be written by others/ })
  t.same(await listing(box), before)
})

t.test('a login that fails', { skip }, async (t) => {
  await using box = await Sandbox.start()
  await box.sh('ln -sfn /run/syslog /var/log/auth.log')
  const attempt = async (name: string, stderr: RegExp, status = 1) => {
    const before = await listing(box)
    const result = await polyns(box, 'install', '--pam', 'su,cron', '--trial-user', 'alice')
    t.match({ ...result, stdout: '' }, { status, stderr }, name)
    t.same(await listing(box), before, `${name}: nothing is left of it`)
  }
  await box.sh('mkdir /etc/polyns; echo "/nowhere /nowhere-i/ user root" >/etc/polyns/namespace.conf')
  await attempt(
    'a configuration that refuses the session',
    /login as alice by cron: PAM refuses the session: .*exit code.*polyns has logged .*\/nowhere/,
  )
  await box.sh('rm -r /etc/polyns')
  await box.sh(`${copy}; ${append('session required pam_deny.so')}`)
  await attempt(
    'a stack that fails by itself',
    /by cron: .*without the line of polyns it fails too .*leave cron out/,
  )
  await box.sh(back)
  await box.sh(`${copy}; sed -i '/common-session/d' /etc/pam.d/cron; chmod 755 /etc/pam.d`)
  await box.sh('mkdir -p /tmp/polyns-inst && chown alice /tmp/polyns-inst')
  await attempt('an instance parent of a user’s', /\/tmp\/polyns-inst.*uid/, 5)
})

t.test('two at once', { skip }, async (t) => {
  await using box = await Sandbox.start()
  await box.sh('mkdir -m 700 /var/lib/polyns')
  const holder = box.spawn(['flock', '-x', '/var/lib/polyns', 'sleep', '1000'])
  await box.sh('until ! flock -n /var/lib/polyns true; do sleep 0.05; done')
  t.match(await polyns(box, 'install', '--pam', 'su'), {
    status: 5,
    stderr: /another polyns install or uninstall is at work/,
  })
  t.match(await polyns(box, 'uninstall'), {
    status: 5,
    stderr: /another polyns install or uninstall is at work/,
  })
  await box.sh('pkill -x sleep')
  await holder.exited
})
