/*
 * namespace.conf in both readings. Whatever the text: problems, never an error; compat accepts what strict accepts, and means
 * the same by it; what is accepted gives paths that are safe to use; what is said cannot steer a terminal.
 */
import t from 'tap'
import { expandRule, formatProblem, type Mode, parseConfig, type Rule } from '../../src/config/index.js'
import { ConfigError } from '../../src/sys/errors.js'
import { alice, names } from '../unit/config/fixtures/names.js'
import { fuzz, must, pick, type Random, refusing } from './fuzz.js'

const PATHS = ['/tmp', '/i/', '/', '//', '/..', '/./', '$HOME', '$USER', '$HOMEX', '${', '$', '/tmp/']
const QUOTING = ['"', '\\', '\\t', '#', ' ', '\t', '\r', '\n', '\0', '\v']
const MARKS = [':', '::', ',', '=', '~', '@', '-']
const METHODS = ['user', 'level', 'context', 'tmpdir', 'tmpfs', 'dir']
const USERS = ['root', 'alice', 'staff', '@staff', '~alice', '1000:1999', ':7', '5:', '4294967296:']
const FLAGS = [
  ...['create', 'create=', 'create=01777', 'create=1777,root,root', 'create=0x1', 'create=-1,alice'],
  ...['noinit', 'shared', 'iscript=', 'iscript=/x', 'mntopts=', 'mntopts=size=1M', 'mntopts=nosuid,noexec'],
  ...['nosuid', 'nodev', 'noexec', 'scope=', 'scope=job', 'scope=session', 'keep=', 'keep=.X11-unix'],
  ...['carry=', 'carry=krb5cc_*', 'carry=*?*'],
]
const ODD = ['x', '\u00a0', '\uFEFF', '\uFFFD', '\u202e', '\x1b', '\x9b', '\u00e9', '\u{1f600}']
const PIECES = [...PATHS, ...QUOTING, ...MARKS, ...METHODS, ...USERS, ...FLAGS, ...ODD]

const CORPUS = [
  '/tmp /tmp/inst/ user root,adm\n',
  '# all\n/tmp /tmp/inst/ user:noinit root\n/dev/shm /dev/shm/inst/ tmpfs:mntopts=size=1M ~alice\n',
  '$HOME $HOME/$USER.inst/ level:create=0700,alice,staff\n',
  '/var/tmp "/var/tmp/a b/" tmpdir:shared:iscript=/etc/x @staff,1000:1999\n',
  '/srv/\\040x /srv/inst- user:scope=job:keep=.X11-unix:carry=krb5cc_*:nosuid:nodev:noexec\n',
  '/tmp   /tmp-inst/       \tcontext      root,adm # comment\r\n',
]

/** Most lines are nearly right; the others are anything. */
function line(random: Random): string {
  const piece = () => pick(random, PIECES)
  if (random(4) === 0) return Array.from({ length: random(30) }, piece).join('')
  const noise = () => (random(6) === 0 ? piece() : '')
  const flags = Array.from({ length: random(4) }, () => `:${pick(random, FLAGS)}${noise()}${noise()}`).join(
    '',
  )
  return `/tmp${noise()} /i/${noise()} ${pick(random, METHODS)}${flags}${noise()} ${noise()}${pick(random, USERS)}${noise()}`
}

function read(text: string, mode: Mode) {
  const { rules, problems } = parseConfig([{ file: 'f', text }], { mode, names })
  return { rules, problems, accepted: !problems.some(({ severity }) => severity === 'error') }
}

/** polyns' own method `dir` is one that pam_namespace does not know. */
const usesDir = ({ problems }: ReturnType<typeof read>) =>
  problems.some(({ message }) => message === 'unknown method "dir"')

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not come through
const CONTROLS = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/

function judge(text: string, { rules, problems, accepted }: ReturnType<typeof read>): void {
  const lines = text.split('\n')
  must(rules.length <= lines.length, 'more rules than lines')
  // With thousands of lines a sample says as much.
  for (const problem of problems.slice(0, 20)) {
    const { line, column } = problem
    must(line >= 0 && line <= lines.length, `line ${line} of ${lines.length}`)
    const length = Array.from(problem.text ?? '').length
    must((line === 0 ? column >= 0 : column >= 1) && column <= length + 1, `column ${column} of ${length}`)
    must(problem.text === null || problem.text === lines[line - 1], 'the text of another line')
    if (length < 10_000) must(!CONTROLS.test(formatProblem(problem)), 'control characters')
  }
  if (!accepted) return
  for (const rule of rules.slice(0, 50)) judgeRule(rule)
}

function judgeRule(rule: Rule): void {
  must(rule.polydir.startsWith('/') || rule.polydir.startsWith('$HOME'), `relative: ${rule.polydir}`)
  const expanded = refusing([ConfigError], () => expandRule(rule, alice))
  if (expanded === null) return
  for (const path of [expanded.polydir, expanded.prefix]) {
    if (rule.method === 'tmpfs' && path === expanded.prefix) continue // it is not used
    must(path.startsWith('/'), `not absolute: ${path}`)
    must(!path.includes('\0') && !/(^|\/)\.\.(\/|$)/.test(path), `unsafe: ${path}`)
  }
}

fuzz([
  {
    name: 'config',
    cases: 8000,
    corpus: CORPUS,
    pieces: PIECES,
    make: (random) => Array.from({ length: 1 + random(3) }, () => line(random)).join('\n'),
    run(input) {
      const [strict, compat] = [read(input, 'strict'), read(input, 'compat')]
      judge(input, strict)
      judge(input, compat)
      if (strict.accepted && !usesDir(compat)) {
        must(compat.accepted, 'strict alone accepts it')
        // A relative script is looked for beside the file of each.
        const meaning = (rules: readonly Rule[]) =>
          JSON.stringify(rules).replaceAll('"/etc/security/', '"/etc/polyns/')
        must(meaning(strict.rules) === meaning(compat.rules), 'strict and compat mean different things')
      }
      return strict.accepted
    },
  },
])

/** Processor time, since other tests run at the same time. */
function secondsFor(fn: () => void): number {
  const { user } = process.cpuUsage()
  fn()
  return (process.cpuUsage().user - user) / 1e6
}

t.test('a line of a megabyte takes no more than its length', (t) => {
  for (const piece of ['/', '"', '\\', ':', ',', '$HOME', '$', ' ', '../', '/./', 'x=', '\0', '\u{1f600}']) {
    const long = piece.repeat(1e6 / piece.length)
    const shorter = long.slice(0, 3e4)
    // A search that starts anew at each character would take minutes.
    const seconds = secondsFor(() => read(`/tmp /i/ user:${piece === ':' ? shorter : long}`, 'compat'))
    t.ok(seconds < 10, `${JSON.stringify(piece)} took ${seconds} s`)
    read(`/${shorter} /i/ user ${shorter}`, 'strict')
  }
  t.end()
})

t.test('a thousand lines, each with the same mistakes as all before', (t) => {
  const same = secondsFor(() => read('/tmp /tmp/inst/ user:noinit root\n'.repeat(1000), 'strict'))
  t.ok(same < 5, `${same} s`)
  const directories = Array.from({ length: 1000 }, (_, i) => `/srv/${i} /inst/ user:noinit root\n`)
  const other = secondsFor(() => read(directories.join(''), 'strict'))
  t.ok(other < 5, `${other} s`)
  t.end()
})
