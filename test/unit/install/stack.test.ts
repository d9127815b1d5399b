/* Where the line goes in the stacks of the distributions, and which stacks are left alone, with file, line and reason. */
import t from 'tap'
import { argsFor } from '../../../src/doctor/pamline.js'
import { type Decision, decide } from '../../../src/install/stack.js'
import { ARCH, DEBIAN, type Files, RED_HAT, SUSE } from './stacks.js'

const LINE = 'session required pam_exec.so quiet seteuid /usr/sbin/polyns pam'

function decideOn(service: string, files: Files, isNamespaceActive = false): Decision {
  return decide(service, argsFor(service), (path) => files[path] ?? null, { isNamespaceActive })
}

/** The lines before and after the new one. */
function around(decision: Decision): {
  before: string | undefined
  line: string | undefined
  after: string | undefined
} {
  if (decision.kind !== 'insert') throw new Error(JSON.stringify(decision))
  const lines = decision.after.split('\n')
  const at = decision.at - 1
  return { before: lines[at - 1], line: lines[at], after: lines[at + 1] }
}

t.test('the line stands', (t) => {
  const cases: [string, string, Files, ReturnType<typeof around>][] = [
    [
      'before pam_selinux open and what is said about it, on Debian',
      'sshd',
      DEBIAN,
      { before: '', line: LINE, after: '# what runs as the user comes after this' },
    ],
    [
      'behind the last session line, not at the end of the file',
      'su',
      DEBIAN,
      { before: '@include common-session', line: `${LINE} --global`, after: '' },
    ],
    [
      'behind the last session line of cron',
      'cron',
      DEBIAN,
      { before: 'session required pam_limits.so', line: LINE, after: '' },
    ],
    [
      'before pam_selinux open, on Red Hat',
      'sshd',
      RED_HAT,
      {
        before: 'session required pam_loginuid.so',
        line: LINE,
        after: '# only sessions that run in the user context',
      },
    ],
    [
      'behind an include with jumps that end before it, on Red Hat',
      'crond',
      RED_HAT,
      { before: 'session include system-auth', line: LINE, after: '' },
    ],
    ['at the end, on Arch', 'sshd', ARCH, { before: 'session include system-login', line: LINE, after: '' }],
    [
      'in a copy of the vendor’s file, on openSUSE',
      'sshd',
      SUSE,
      { before: 'session optional pam_lastlog2.so silent', line: LINE, after: '' },
    ],
    [
      'behind a continued line',
      'x',
      { '/etc/pam.d/x': 'session required pam_a.so \\\n  b \\\n  c\nauth required pam_b.so\n' },
      { before: '  c', line: LINE, after: 'auth required pam_b.so' },
    ],
    [
      'in a file without session lines and without a last line feed',
      'slurm',
      { '/etc/pam.d/slurm': 'account required pam_permit.so' },
      { before: 'account required pam_permit.so', line: `${LINE} --fail-open`, after: '' },
    ],
    [
      'before pam_systemd beside pam_slurm_adopt',
      'sshd',
      { '/etc/pam.d/sshd': 'account required pam_slurm_adopt.so\nsession optional pam_systemd.so\n' },
      { before: 'account required pam_slurm_adopt.so', line: LINE, after: 'session optional pam_systemd.so' },
    ],
  ]
  for (const [name, service, files, expected] of cases)
    t.strictSame(around(decideOn(service, files)), expected, name)
  const vendors = decideOn('systemd-user', DEBIAN)
  t.match(vendors, { kind: 'insert', file: '/etc/pam.d/systemd-user', from: '/usr/lib/pam.d/systemd-user' })
  t.end()
})

t.test('nothing else of the file is changed', (t) => {
  for (const [service, files] of [
    ['sshd', DEBIAN],
    ['sshd', RED_HAT],
    ['sshd', ARCH],
    ['su', DEBIAN],
  ] as const) {
    const decision = decideOn(service, files)
    if (decision.kind !== 'insert') throw new Error(JSON.stringify(decision))
    const rest = decision.after.split('\n').filter((line) => line !== decision.line)
    t.equal(rest.join('\n'), decision.before, service)
  }
  t.end()
})

t.test('a line that is there already is not written again', (t) => {
  const with_ = (path: string, files: Files, line: string): Files => ({
    ...files,
    [path]: `${files[path]}${line}\n`,
  })
  const own = with_('/etc/pam.d/cron', DEBIAN, LINE)
  t.match(decideOn('cron', own), { kind: 'already', file: '/etc/pam.d/cron', at: 4, note: '' })
  const su = with_('/etc/pam.d/su', DEBIAN, `${LINE} --global`)
  t.match(decideOn('su-l', su), { kind: 'already', file: '/etc/pam.d/su', note: /su-l:3 includes/ })
  const sudo = with_('/etc/pam.d/sudo', RED_HAT, `${LINE} --global`)
  t.match(decideOn('sudo-i', sudo), { kind: 'already', file: '/etc/pam.d/sudo', note: /sudo-i:2 includes/ })
  const profile = with_('/etc/pam.d/common-session', DEBIAN, `${LINE} --unmnt-remnt`)
  t.match(decideOn('su', profile), {
    kind: 'already',
    file: '/etc/pam.d/common-session',
    note: /without --global/,
  })
  t.end()
})

t.test('left alone is a stack', (t) => {
  const sshd = (text: string): Files => ({ ...DEBIAN, '/etc/pam.d/sshd': text })
  const cases: [string, Files, { file?: string; line: number; why: RegExp }][] = [
    [
      'with a type that PAM does not know',
      sshd('sesion required pam_unix.so\n'),
      { line: 1, why: /'sesion' is no type/ },
    ],
    [
      'with a control that it does not know',
      sshd('\nsession requird pam_unix.so\n'),
      { line: 2, why: /'requird' is no control/ },
    ],
    [
      'with a bracket that is not closed',
      sshd('session [default=1 pam_unix.so\n'),
      { line: 1, why: /no control/ },
    ],
    [
      'with an action that it does not know',
      sshd('session [default=go] pam_unix.so\n'),
      { line: 1, why: /no control/ },
    ],
    ['with a line that names no module', sshd('session required\n'), { line: 1, why: /names no module/ }],
    [
      'that includes what is not there',
      sshd('@include gone\n'),
      { line: 1, why: /'gone', which is not there/ },
    ],
    [
      'that includes what is not there, by a control',
      sshd('session substack gone\n'),
      { line: 1, why: /not there/ },
    ],
    ['that includes itself', sshd('session include sshd\n'), { line: 1, why: /includes this file/ }],
    [
      'with carriage returns',
      sshd('session required pam_unix.so\r\n'),
      { line: 0, why: /control characters/ },
    ],
    ['that ends with a backslash', sshd('session required pam_unix.so \\\n'), { line: 0, why: /backslash/ }],
    [
      'with a mistake in what it includes',
      { ...DEBIAN, '/etc/pam.d/common-session': 'session maybe pam_unix.so\n' },
      { file: '/etc/pam.d/common-session', line: 1, why: /no control/ },
    ],
    [
      'where a line that suffices comes before',
      sshd('session sufficient pam_permit.so\n'),
      { line: 1, why: /can pass over/ },
    ],
    [
      'where one can be done',
      sshd('session [success=done default=ignore] pam_x.so\n'),
      { line: 1, why: /can pass over/ },
    ],
    [
      'where a jump leads over the place',
      sshd('session [success=1 default=ignore] pam_succeed_if.so\nsession required pam_selinux.so open\n'),
      { line: 1, why: /can pass over/ },
    ],
    [
      'where a jump in an include leads over the place',
      { ...DEBIAN, '/etc/pam.d/common-session': 'session [default=2] pam_permit.so\n' },
      { file: '/etc/pam.d/common-session', line: 1, why: /can pass over/ },
    ],
    ['that calls polyns otherwise', sshd(`${LINE} --fail-open\n`), { line: 1, why: /is not the line/ }],
    [
      'that calls polyns and does not require it',
      sshd(LINE.replace('required', 'optional')),
      { line: 1, why: /is not the line/ },
    ],
    [
      'that calls another polyns',
      sshd(LINE.replace('/usr/sbin', '/opt')),
      { line: 1, why: /is not the line/ },
    ],
    [
      'that calls a part of polyns',
      sshd('session required pam_exec.so /opt/polyns.sh pam\n'),
      { line: 1, why: /not understood/ },
    ],
  ]
  for (const [name, files, expected] of cases) {
    const decision = decideOn('sshd', files)
    if (decision.kind !== 'refused') t.fail(`${name}: ${decision.kind}`)
    else t.match(decision.problems[0], { file: '/etc/pam.d/sshd', ...expected }, name)
  }
  t.match(
    decideOn('sshd', RED_HAT, true),
    { kind: 'refused', problems: [{ line: 7, why: /pam_namespace/ }] },
    'whose pam_namespace has a configuration',
  )
  t.match(decideOn('sshd', RED_HAT, false), { kind: 'insert' }, 'but not where it has none')
  t.match(decideOn('nowhere', DEBIAN), { kind: 'refused' })
  t.end()
})
