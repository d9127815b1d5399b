/* polyns doctor on PAM stacks: on Debian's own with polyns in them, then on each of them spoilt and mended again. */
import t from 'tap'
import { doctor, findingsOf, mends } from '../support/doctor.js'
import { installPolyns, PAM_LINE, POLYNS, TMP_AND_SHM } from '../support/install.js'
import { plainStack } from '../support/logins.js'
import { needs } from '../support/needs.js'
import { Sandbox } from '../support/sandbox.js'
import { logged } from './state.js'

const skip = needs('root', 'layer', 'dist')

const PAM = '/etc/pam.d'

/** What a user may write into ~/.pam_environment to have programs that others start run code of his. */
const EVIL = [
  'LD_PRELOAD=/home/alice/preload.so',
  'LD_AUDIT=/home/alice/audit.so',
  'LD_LIBRARY_PATH=/home/alice',
  'GLIBC_TUNABLES=glibc.malloc.check=3',
  'NODE_OPTIONS="--require /home/alice/evil.js"',
  'BASH_ENV=/home/alice/evil.sh',
  'ENV=/home/alice/evil.sh',
  'IFS=/',
  'PS4=$(/home/alice/evil.sh)',
]
const insert = (service: string, at: number | '$', line: string) => [
  'sed',
  '-i',
  `${at}${at === '$' ? 'a' : 'i'}\\${line}`,
  `${PAM}/${service}`,
]

/** A Debian host as it should be: its own stacks with polyns at their end, the boot step done. */
async function host(): Promise<Sandbox> {
  const box = await Sandbox.start()
  await installPolyns(box, TMP_AND_SHM)
  await box.sh(`${POLYNS} setup`)
  await box.sh(`sed -i s/user_readenv=1// ${PAM}/sshd; cp /usr/lib/pam.d/systemd-user ${PAM}`)
  for (const service of ['sshd', 'login', 'cron', 'atd', 'systemd-user'])
    await box.sh(insert(service, '$', PAM_LINE))
  for (const service of ['su', 'sudo', 'sudo-i']) await box.sh(insert(service, '$', `${PAM_LINE} --global`))
  return box
}

t.test('a Debian host that is set up', { skip }, async (t) => {
  await using box = await host()
  const each = (verb: string) => box.sh(`for s in cron atd ssh; do /etc/init.d/$s ${verb}; done`)
  await each('start')
  const { status, found } = await doctor(box)
  const bad = found.filter(({ severity }) => severity === 'error' || severity === 'warning')
  t.same(bad, [], 'has neither error nor warning')
  t.equal(status, 0)
  const IDS =
    'rights host-namespace config root-excluded launcher service-rights service-namespace pam-line pam-env'
  for (const id of `${IDS} pam-seteuid pam-control pam-quiet pam-order pam-namespace`.split(' '))
    t.match(
      found.filter((one) => one.id === id),
      [{ severity: 'ok' }],
      id,
    )
  for (const id of ['service-rights', 'service-namespace'])
    t.match(found.find((one) => one.id === id)?.saw, /\/cron \(pid.*\/sshd \(pid|\/sshd \(pid.*\/cron \(pid/)
  t.match(
    found.find(({ id }) => id === 'service-rights')?.saw,
    /\/atd \(pid/,
    'atd, whose effective uid is another',
  )
  await each('stop')
})

t.test('where polyns is not called', { skip }, async (t) => {
  await using box = await host()
  const without = (file: string) => `sed -i /polyns/d ${file}`
  const id = 'pam-line'
  for (const service of ['sshd', 'cron', 'atd', 'login'])
    await mends(t, box, {
      id,
      severity: 'warning',
      break: without(`${PAM}/${service}`),
      saw: RegExp(service),
    })
  t.match(await box.read(`${PAM}/cron`), new RegExp(`\n${PAM_LINE}\n$`))

  const su = await mends(t, box, {
    id,
    severity: 'warning',
    break: without(`${PAM}/su`),
    saw: /pam.d\/su has/,
  })
  t.match(su?.mend, [/--global/], 'su-l includes it, and is not told besides')
  await mends(t, box, { id, severity: 'warning', break: `rm ${PAM}/systemd-user`, saw: /\/usr\/lib\/pam.d/ })
  t.match(
    await box.read('/usr/lib/pam.d/systemd-user'),
    /^(?![\s\S]*polyns)/,
    'the vendor’s file is left alone',
  )

  await box.sh(without(`${PAM}/*`))
  const all = await findingsOf(box, id)
  t.ok(all.length >= 8)
  t.ok(all.every(({ severity }) => severity === 'error'))
  t.equal((await doctor(box)).status, 1)
  await box.sh(['sh', '-ec', all.flatMap(({ mend }) => mend).join('\n')])
  t.same(await findingsOf(box, id), [], 'one by one mended')
})

t.test('what pam_exec is told', { skip }, async (t) => {
  await using box = await host()
  const spoil = (service: string, what: string) => `sed -i '/polyns/s/${what}/' ${PAM}/${service}`
  await mends(t, box, { id: 'pam-seteuid', severity: 'error', break: spoil('sudo', ' seteuid/') })
  await mends(t, box, { id: 'pam-seteuid', severity: 'warning', break: spoil('sshd', ' seteuid/') })
  await mends(t, box, { id: 'pam-quiet', severity: 'note', break: spoil('su', ' quiet/') })
  const id = 'pam-control'
  await mends(t, box, { id, severity: 'warning', break: spoil('sshd', 'required/optional') })
  await mends(t, box, { id, severity: 'warning', break: spoil('cron', 'required/sufficient') })
  await mends(t, box, {
    id,
    severity: 'warning',
    break: spoil('atd', 'required/[success=ok default=ignore]'),
  })
  await mends(t, box, { id, severity: 'warning', break: spoil('su', 'required/optional \\\\\\n') })
})

t.test('lines that pass over polyns', { skip }, async (t) => {
  await using box = await host()
  const id = 'pam-control'
  await mends(t, box, {
    id,
    severity: 'warning',
    break: insert('sshd', 1, 'session sufficient pam_permit.so'),
    saw: /sshd:1: sufficient pam_permit/,
  })
  await mends(t, box, {
    id,
    severity: 'warning',
    break: `printf 'session [success=done default=ignore] pam_permit.so\\n' >>${PAM}/common-session-noninteractive
      sed -i '/common-session/d;$i@include common-session-noninteractive' ${PAM}/cron
      cd ${PAM}; for s in su atd sudo systemd-user; do sed -i 's/common-session-noninteractive/common-session/' $s; done`,
    saw: /common-session-noninteractive:\d+: .* can pass over \/etc\/pam.d\/cron/,
  })
  const skips = 'session [success=1 default=ignore] pam_succeed_if.so quiet user = carol'
  await mends(t, box, {
    id,
    severity: 'note',
    break: `sed -i '/polyns/i${skips}' ${PAM}/login`,
    saw: /pam_succeed_if/,
  })
})

const READENV = 'pam_env.so user_readenv=1'
/** Wherever pam_env stands, as pam_exec calls a program at the beginning of the session and at its end. */
const stacksWith = (line: string) => ({
  before: plainStack([`session required ${READENV}`, line]),
  after: plainStack([line, `session required ${READENV}`]),
  auth: [`auth required ${READENV}`, 'account required pam_permit.so', line],
})
/** The script by itself, which has a shell and its loader. */
const SCRIPT = '/usr/local/bin/polyns'
const linkScript = `ln -sfn /opt/polyns/bin/polyns.sh ${SCRIPT}`
const nameScript = (service: string) => `sed -i s:${POLYNS}:${SCRIPT}: ${PAM}/${service}`
const nameLauncher = (service: string) => `sed -i s:${SCRIPT}:${POLYNS}: ${PAM}/${service}`

t.test('variables of a user’s own, where the script is named', { skip }, async (t) => {
  await using box = await host()
  await box.sh(linkScript)
  // Any library will do: what it holds for its beginning is run.
  const library = `"$(ldd /bin/ls | awk '/selinux/ { print $3 }')"`
  await box.sh(`cd /home/alice; cp -L ${library} preload.so; cp preload.so audit.so`)
  const sshd = await box.startSshd()
  for (const [where, stack] of Object.entries(stacksWith(PAM_LINE.replace(POLYNS, SCRIPT)))) {
    await box.pam('sshd', stack)
    t.match(await findingsOf(box, 'pam-env'), [{ severity: 'error', why: /sshd can become root/ }], where)
    // The loader writes that file as whoever runs the program, and tells in it what else it has obeyed.
    const wish = ['LD_DEBUG=libs,files', `LD_DEBUG_OUTPUT=/run/${where}`, ...EVIL].join('\n')
    await box.write('/home/alice/.pam_environment', `${wish}\n`)
    await box.ssh('alice', 'true')
    await box.sh(`until ls /run/${where}.*; do sleep 0.05; done`)
    t.match(await box.sh(`stat -c %U /run/${where}.*`), /^root$/m, `${where}: root’s loader obeys`)
    const told = await box.sh(`cat /run/${where}.*`)
    t.ok(told.includes('calling init: /home/alice/preload.so'), `${where}: code of alice’s is run by root`)
    t.ok(told.includes('file=/home/alice/audit.so'), `${where}: LD_AUDIT`)
    t.ok(told.includes('search path=/home/alice/'), `${where}: LD_LIBRARY_PATH`)
  }
  await box.end(sshd)
})

t.test('variables of a user’s own, where the launcher is named', { skip }, async (t) => {
  await using box = await host()
  await box.write('/home/alice/evil.sh', 'echo evil >>/run/evil\n', 0o755)
  await box.write('/home/alice/evil.js', `require('fs').writeFileSync('/run/evil', 'evil')\n`)
  const sshd = await box.startSshd()
  for (const [where, stack] of Object.entries(stacksWith(PAM_LINE))) {
    await box.pam('sshd', stack)
    t.match(await findingsOf(box, 'pam-env'), [], `${where}: is in order`)
    const loader = [
      'LD_DEBUG=libs,files',
      'LD_DEBUG_OUTPUT=/run/evil',
      'LD_PROFILE=libc.so.6',
      'LD_PROFILE_OUTPUT=/run',
    ]
    const items = [
      'PAM_USER=bob',
      'PAM_RUSER=root',
      'PAM_SERVICE=su',
      'PAM_TYPE=close_session',
      'PAM_TTY=x',
      'PAM_RHOST=x',
    ]
    const wish = [...loader, ...EVIL, ...items].join('\n')
    await box.write('/home/alice/.pam_environment', `${wish}\n`)
    const before = (await logged(box)).length
    const { stdout } = await box.ssh('alice', `cat /proc/self/mountinfo; echo "got $PAM_RUSER"`)
    t.match(stdout, / \/tmp\/polyns-inst\/alice \/tmp /, `${where}: the session is hers`)
    t.match(stdout, /^got root$/m, 'and her file was read')
    t.match(await logged(box, before), [
      /sshd: session of alice opened, built: /,
      /sshd: session of alice closed$/,
    ])
    const left = await box.run('ls /run | grep -E "evil|libc"')
    t.match(
      left,
      { status: 1, stdout: '' },
      `${where}: nothing of it has run as root, at the beginning or at the end`,
    )
  }
  await box.end(sshd)
})

t.test('a PAM line that names another program than the launcher', { skip }, async (t) => {
  await using box = await host()
  const other = { id: 'launcher', severity: 'warning', saw: /needs a loader/ } as const
  const found = await mends(t, box, { ...other, break: `ln -sfn /opt/polyns/bin/polyns.sh ${POLYNS}` })
  t.same(found?.mend, [`ln -sfn /opt/polyns/bin/polyns ${POLYNS}`])
  await box.write(SCRIPT, `#!/bin/sh\nexec ${POLYNS} "$@"\n`, 0o755)
  await mends(t, box, { ...other, break: nameScript('cron'), by: nameLauncher('cron') })
})

t.test('what must not come before polyns, or after it', { skip }, async (t) => {
  await using box = await host()
  await box.sh(`${linkScript}; ${nameScript('sshd')}; ${nameScript('login')}`)
  await mends(t, box, {
    id: 'pam-env',
    severity: 'error',
    break: insert('sshd', 1, 'session required pam_env.so user_readenv=1 envfile=/etc/default/locale'),
    saw: /sshd:1: /,
  })
  const last = insert('sshd', '$', 'session required pam_env.so user_readenv=yes')
  await mends(t, box, { id: 'pam-env', severity: 'error', break: last })
  const auth = insert('login', 1, 'auth required pam_env.so user_readenv=1')
  await mends(t, box, { id: 'pam-env', severity: 'error', break: auth, saw: /login:1: / })
  await box.sh(`${nameLauncher('sshd')}; ${nameLauncher('login')}`)

  const id = 'pam-order'
  const volume = insert('common-session', '$', 'session optional pam_mount.so')
  await mends(t, box, {
    id,
    severity: 'warning',
    break: `${volume.map((w) => `'${w}'`).join(' ')}
    cd ${PAM}; for s in sudo-i su login; do sed -i '/common-session/d' $s; done`,
    saw: /pam_mount.so comes before/,
  })
  await box.sh(insert('sshd', 1, 'account required pam_slurm_adopt.so'))
  t.match(
    await findingsOf(box, id),
    [],
    'polyns is before @include common-session by now, and so before pam_systemd',
  )
  await mends(t, box, {
    id,
    severity: 'warning',
    break: insert('sshd', 1, 'session optional pam_systemd.so'),
    saw: /sshd:1: pam_systemd.so comes before/,
  })
  await box.pam('sshd', plainStack([PAM_LINE]))
  await mends(t, box, {
    id,
    severity: 'warning',
    break: insert('sshd', '$', 'session required pam_slurm_adopt.so'),
    saw: /pam_slurm_adopt.so comes after/,
  })
  await box.sh('sed -i s/user:/user:scope=session:/ /etc/polyns/namespace.conf')
  await mends(t, box, {
    id,
    severity: 'note',
    break: insert('cron', '$', 'session optional pam_systemd.so'),
    saw: /cron:\d+: pam_systemd.so comes after/,
  })
})

t.test('pam_namespace', { skip }, async (t) => {
  await using box = await host()
  const id = 'pam-namespace'
  const call = insert('login', '$', 'session required pam_namespace.so')
  t.match(await mends(t, box, { id, severity: 'note', break: call }), { why: /has no line/ })
  await box.sh('echo "/tmp /tmp/inst/ user root" >>/etc/security/namespace.conf')
  await mends(t, box, { id, severity: 'error', break: call, saw: /login:\d+: pam_namespace.so/ })
})
