/* Whether a line of tmpfiles.d reaches into the instances. The verdicts are those of systemd-tmpfiles 252. */
import t from 'tap'
import { agingOf, parseTmpfiles, readTmpfiles } from '../../../src/doctor/tmpfiles.js'

const PARENT = '/tmp/polyns-inst'
const verdict = (...lines: string[]) => agingOf(PARENT, parseTmpfiles('f', lines.join('\n')))?.line ?? null

t.test('the first line that reaches', async (t) => {
  const aged = 'q /tmp 1777 root root 10d'
  const cases: [string, string[], number | null][] = [
    ['nothing', [], null],
    ['an age on /tmp', [aged], 1],
    ['none', ['D /tmp 1777 root root -'], null],
    ['none, by leaving it out', ['d /tmp 1777'], null],
    ['an age of 0: all, always', ['d /tmp 1777 root root 0'], 1],
    ['an age with what it goes by', ['d /tmp 1777 root root mM:10d'], 1],
    ['another directory', ['d /var/tmp 1777 root root 30d'], null],
    ['the root', ['e / - - - 30d'], 1],
    ['only at boot', ['d! /tmp 1777 root root 10d'], null],
    ['other modifiers', ['d= /tmp 1777 root root 10d'], 1],
    ['a comment', ['#q /tmp 1777 root root 10d'], null],
    ['a type whose age does not count', ['z /tmp 1777 root root 10d'], null],
    ['excluded', [aged, 'x /tmp/polyns-inst'], null],
    ['excluded with a slash', [aged, 'x /tmp/polyns-inst/'], null],
    ['excluded by pattern', [aged, 'x /tmp/poly*'], null],
    ['excluded by pattern, in brackets', [aged, 'x /tmp/polyns-[ijk]nst'], null],
    ['what is in it excluded', [aged, 'x /tmp/polyns-inst/*'], null],
    ['only one user excluded', [aged, 'x /tmp/polyns-inst/alice'], 1],
    ['a star does not go over a slash', [aged, 'x /tmp*'], 1],
    ['nor begins a hidden name', ['d /tmp 1777 root root 1d', 'x /tmp/.*'], 1],
    ['X spares only the directory', [aged, 'X /tmp/polyns-inst'], 1],
    ['X with all below it excluded', [aged, 'X /tmp/polyns-inst', 'x /tmp/polyns-inst/*'], null],
    ['a line of its own without an age', [aged, 'd /tmp/polyns-inst 0000 root root -'], null],
    ['a line of its own with one', ['d /tmp/polyns-inst 0000 root root 1d'], 1],
    ['one that an outer line stops at', [aged, 'd /tmp/polyns-inst 0000 root root 1d'], 2],
    ['patterns with an age', ['e /tmp/* - - - 1d'], 1],
    ['quoted, and with %T', ['d "%T" 1777 root root 10d'], 1],
  ]
  for (const [what, lines, line] of cases) t.equal(verdict(...lines), line, what)
})

t.test('files of all directories', async (t) => {
  const files: Record<string, string> = {
    '/usr/lib/tmpfiles.d/tmp.conf': 'q /tmp 1777 root root 10d',
    '/usr/lib/tmpfiles.d/a.conf': 'd /a - - - 1d',
    '/run/tmpfiles.d/a.conf': 'd /b - - - 2d',
    '/etc/tmpfiles.d/README': 'd /c - - - 3d',
  }
  const read = (path: string) => files[path] ?? null
  const list = (directory: string) => {
    const found = Object.keys(files).filter((path) => path.startsWith(`${directory}/`))
    return found.length === 0 ? null : found.map((path) => path.slice(directory.length + 1))
  }
  const shown = () => readTmpfiles(list, read).map(({ file, path, age }) => `${file} ${path} ${age}`)
  t.strictSame(shown(), ['/run/tmpfiles.d/a.conf /b 2d', '/usr/lib/tmpfiles.d/tmp.conf /tmp 10d'])
  files['/etc/tmpfiles.d/0.conf'] = 'q /tmp 1777 root root -'
  t.match(shown()[0], /\/etc\/tmpfiles\.d\/0\.conf \/tmp $/, 'the first line for a path has it')
  t.notMatch(shown().join('\n'), /10d/)
})
