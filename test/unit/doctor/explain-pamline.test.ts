import t from 'tap'
import { findPamLine } from '../../../src/doctor/pamline.js'

const POLYNS = 'session required pam_exec.so quiet seteuid /usr/sbin/polyns pam'

const find = (service: string, files: Record<string, string>) =>
  findPamLine(service, (path) => (Object.hasOwn(files, path) ? (files[path] ?? null) : null))

t.test('the line of a service', (t) => {
  const at = (file: string, line: number, ...args: string[]) => ({ file, line, args })
  const cases: [string, string, Record<string, string>, ReturnType<typeof at> | null][] = [
    [
      'in its own file',
      'sshd',
      { '/etc/pam.d/sshd': `# x\n\n${POLYNS} --fail-open\n` },
      at('/etc/pam.d/sshd', 3, '--fail-open'),
    ],
    [
      'behind an @include',
      'su',
      { '/etc/pam.d/su': '@include c', '/etc/pam.d/c': POLYNS },
      at('/etc/pam.d/c', 1),
    ],
    [
      'behind a substack',
      'su',
      { '/etc/pam.d/su': 'session substack c', '/etc/pam.d/c': POLYNS },
      at('/etc/pam.d/c', 1),
    ],
    [
      'behind an include of another type',
      'su',
      { '/etc/pam.d/su': 'auth include c', '/etc/pam.d/c': POLYNS },
      null,
    ],
    [
      'with a control in brackets',
      'su',
      { '/etc/pam.d/su': POLYNS.replace('required', '[success=1 default=die]') },
      at('/etc/pam.d/su', 1),
    ],
    [
      'with a minus, on two lines',
      'su',
      { '/etc/pam.d/su': `-${POLYNS.replace('pam_exec', '\\\n pam_exec')} --debug` },
      at('/etc/pam.d/su', 1, '--debug'),
    ],
    ['in a comment', 'su', { '/etc/pam.d/su': `#${POLYNS}\nsession required pam_unix.so` }, null],
    ['of another type', 'su', { '/etc/pam.d/su': POLYNS.replace('session', 'auth') }, null],
    ['of another program', 'su', { '/etc/pam.d/su': POLYNS.replace('polyns pam', 'polyns-x pam') }, null],
    ['in upper case', 'SSHD', { '/etc/pam.d/sshd': POLYNS }, at('/etc/pam.d/sshd', 1)],
    ['of the vendor', 'su', { '/usr/lib/pam.d/su': POLYNS }, at('/usr/lib/pam.d/su', 1)],
    ['in files that include each other', 'su', { '/etc/pam.d/su': '@include su' }, null],
  ]
  for (const [name, service, files, expected] of cases) t.same(find(service, files).found, expected, name)
  t.end()
})

t.test('a service without a stack has that of "other"', (t) => {
  t.match(find('x', { '/etc/pam.d/other': POLYNS }), { stack: '/etc/pam.d/other', found: { line: 1 } })
  t.same(find('x', {}), { stack: null, found: null })
  t.match(
    find('../../etc/shadow', { '/etc/pam.d/other': POLYNS }),
    { stack: '/etc/pam.d/other' },
    'no path is a service',
  )
  t.end()
})
