import t from 'tap'
import { commentOut, insertBefore, moveBefore, replaceIn } from '../../../src/doctor/pamedit.js'
import {
  linesThatSkip,
  passesFailure,
  placeBefore,
  polynsCalls,
  sessionEntries,
} from '../../../src/doctor/pamline.js'
import { type PamEntry, readOwnStack, readStack } from '../../../src/doctor/pamstack.js'

const POLYNS = 'session required pam_exec.so quiet seteuid /usr/sbin/polyns pam --global'

const stack = (files: Record<string, string>, service = 's') => {
  const found = readStack(service, (path) => files[path.replace('/etc/pam.d/', '')] ?? null)
  if (found === null) throw new Error('no stack')
  return found
}
const shown = ({ file, line, type, control, module, args, level }: PamEntry) =>
  `${file.replace('/etc/pam.d/', '')}:${line} ${'+'.repeat(level)}${type} ${control} ${module} ${args.join(' ')}`.trim()

t.test('all lines in their order, with their places', (t) => {
  const files = {
    s: 'auth required pam_env.so\n@include c\nsession include c # x\n-SESSION [a=b  c=d] /lib/pam_x.so a [b c]\n',
    c: 'account required pam_a.so\nsession substack d\n@include d',
    d: 'session required \\\n pam_d.so \\\n x\n@include s\n',
  }
  t.same(stack(files).entries.map(shown), [
    's:1 auth required pam_env.so',
    'c:1 account required pam_a.so',
    'c:2 session substack',
    'd:1 +session required pam_d.so x',
    'd:1 session required pam_d.so x',
    'c:2 session substack',
    'd:1 +session required pam_d.so x',
    'd:1 session required pam_d.so x',
    's:4 session [a=b  c=d] pam_x.so a [b c]',
  ])
  const [, , , first] = stack(files).entries
  t.same(
    first?.trail.map(({ file, line }) => `${file}:${line}`),
    ['/etc/pam.d/s:2', '/etc/pam.d/c:2', '/etc/pam.d/d:1'],
  )
  t.match(first, { lastLine: 3, text: 'session required pam_d.so x' })
  t.equal(
    readOwnStack('x', (path) => (path === '/etc/pam.d/other' ? '' : null)),
    null,
    'that of other is not its own',
  )
  t.end()
})

t.test('which lines can pass over that of polyns', (t) => {
  const cases: [string, Record<string, string>, string[]][] = [
    ['none', { s: `session required pam_a.so\n${POLYNS}` }, []],
    ['one that is sufficient', { s: `session sufficient pam_a.so\n${POLYNS}` }, ['s:1']],
    ['not one that comes after it', { s: `${POLYNS}\nsession sufficient pam_a.so` }, []],
    ['not one of another type', { s: `auth sufficient pam_a.so\n${POLYNS}` }, []],
    [
      'Debian’s jump over pam_deny does not',
      { s: `session [default=1] p.so\nsession requisite d.so\n${POLYNS}` },
      [],
    ],
    [
      'a jump that is one too long',
      { s: `session [default=2] p.so\nsession requisite d.so\n${POLYNS}` },
      ['s:1'],
    ],
    ['a jump on success', { s: `session [success=1 default=ignore] p.so\n${POLYNS}` }, ['s:1']],
    [
      'done in a substack ends only that',
      { s: `session substack c\n${POLYNS}`, c: 'session sufficient a.so' },
      [],
    ],
    [
      'done in an include ends all',
      { s: `session include c\n${POLYNS}`, c: 'session sufficient a.so' },
      ['c:1'],
    ],
    [
      'a jump counts a substack as one',
      {
        s: `session [default=1] a.so\nsession substack c\n${POLYNS}`,
        c: 'session required b.so\nsession required d.so',
      },
      [],
    ],
    [
      'a jump over a substack with polyns in it',
      { s: 'session [default=1] a.so\nsession substack c', c: POLYNS },
      ['s:1'],
    ],
    [
      'a jump out of a substack ends at its end',
      { s: `session substack c\n${POLYNS}`, c: 'session [default=9] a.so' },
      [],
    ],
    ['what only refuses does not', { s: `session [success=ok default=die] a.so\n${POLYNS}` }, []],
  ]
  for (const [name, files, expected] of cases) {
    const { entries } = stack(files)
    const [call] = polynsCalls(entries)
    if (call === undefined) throw new Error(name)
    const skip = linesThatSkip(sessionEntries(entries), call.index)
    t.same(
      skip.map(({ file, line }) => `${file.replace('/etc/pam.d/', '')}:${line}`),
      expected,
      name,
    )
    t.match(call, { options: ['quiet', 'seteuid'], program: '/usr/sbin/polyns', args: ['--global'] })
  }
  t.end()
})

t.test('whether a failure lets the session open', (t) => {
  for (const control of [
    'required',
    'requisite',
    '[success=ok default=bad]',
    '[success=1]',
    '[default=ignore system_err=die]',
  ])
    t.notOk(passesFailure(control), control)
  for (const control of [
    'optional',
    'sufficient',
    '[default=ignore]',
    '[success=ok system_err=1]',
    '[default=ok]',
  ])
    t.ok(passesFailure(control), control)
  t.end()
})

t.test('the commands that change a stack', (t) => {
  const { entries } = stack({
    s: `session required pam_a.so\n@include c\nsession \\\n include d\n${POLYNS}`,
    c: 'session required b.so',
  })
  const [a, b, call] = entries
  if (a === undefined || b === undefined || call === undefined) throw new Error('entries')
  t.same(placeBefore(call, a), { file: '/etc/pam.d/s', line: 1 })
  t.same(placeBefore(call, b), { file: '/etc/pam.d/s', line: 2 }, 'before the line that includes it')
  t.equal(placeBefore(b, a), null, 'not from an included file into the one that includes')
  t.same(moveBefore(call, { file: '/etc/pam.d/s', line: 2 }), [
    `sed -i --follow-symlinks -e '2i\\${POLYNS}' -e 5d /etc/pam.d/s`,
  ])
  t.same(commentOut({ ...a, lastLine: 3 }), ["sed -i --follow-symlinks -e '1,3s/^/# /' /etc/pam.d/s"])
  t.same(replaceIn({ ...a, file: '/usr/lib/pam.d/s' }, 'a', 'b'), [
    'cp -n /usr/lib/pam.d/s /etc/pam.d/s',
    'sed -i --follow-symlinks -e 1s/a/b/I /etc/pam.d/s',
  ])
  t.same(insertBefore({ file: '/x', line: 2 }, 'a \\b'), ["sed -i --follow-symlinks -e '2i\\a \\\\b' /x"])
  t.end()
})
