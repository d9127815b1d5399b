import t from 'tap'
import { CODES, type ProblemCode } from '../../../src/config/index.js'
import { errors, read, warnings } from './fixtures/read.js'

/** What each line is about, the line, and what strict makes of it: `code@column`. */
const MISTAKES: readonly [sentence: string, line: string, expected: string][] = [
  ['a file starts with a byte order mark', '\uFEFF/tmp /i/ user', 'byte-order-mark@1'],
  ['even an empty line after the mark is refused', '\uFEFF# comment', 'byte-order-mark@1'],
  ['bytes of another encoding are in a path', '/t\uFFFDmp /i/ user', 'bad-encoding@3'],
  ['a NUL byte is in the user list', '/tmp /i/ user root\0,bob', 'nul-byte@19'],
  ['a vertical tab separates fields', '/tmp\v/i/ user', 'invisible-character@5'],
  ['a pasted no-break space becomes a part of a word', '/tmp\u00a0 /i/ user', 'invisible-character@5'],
  ['a zero-width space hides in a path', '/t\u200bmp /i/ user', 'invisible-character@3'],
  ['an escape makes a control character', '/tmp\\tdir /i/ user', 'invisible-character@6'],
  ['a carriage return stands in the middle', '/tmp /i/\r user', 'invisible-character@9'],
  ['a quote is left open', '/tmp /i/ user "root', 'unterminated-quote@15'],
  [
    'a comment takes the closing quote away',
    '/tmp /i/ "user # x"',
    'unterminated-quote@10 unknown-method@11',
  ],
  ['a line is meant to go on', '/tmp /i/ user root,bo\\', 'trailing-backslash@22 unknown-user@20'],
  ['a # is meant to be in a name', '/tmp /i/ user root#1', 'glued-comment@19'],
  ['the method is missing', '/tmp /i/', 'missing-field@9'],
  ['the prefix is missing', '/tmp # x', 'missing-field@9'],
  ['the user list has a blank in it', '/tmp /i/ user root, bob', 'empty-name@20 stray-field@21'],
  ['flags are written as a field', '/tmp /i/ user root mntopts=nodev', 'stray-field@20'],
  ['the directory is empty', '"" /i/ user', 'invalid-polydir@1'],
  ['the directory is relative', 'tmp /i/ user', 'relative-path@1'],
  ['the directory starts with the name of the user', '$USER/tmp /i/ user', 'relative-path@1'],
  ['the prefix is relative', '/tmp i/ user', 'relative-path@6'],
  ['the prefix is empty', '/tmp "" user', 'relative-path@6'],
  ['the directory climbs', '/tmp/../etc /i/ user', 'dot-dot@6'],
  ['two dots are a part of a name', '/tmp /i/a..b/ user', 'dot-dot@10'],
  ['two dots are in the unused prefix of a tmpfs', '/tmp .. tmpfs', 'dot-dot@6'],
  ['a path is too long', `/tmp /${'i'.repeat(4095)} user`, 'path-too-long@6'],
  ['the root directory is named', '/// /i/ user', 'root-polydir@1'],
  ['a variable does not exist', '/tmp/$UID /i/ user', 'unknown-variable@6'],
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the mistake that the case is about
  ['a variable is in braces', '/tmp/${USER} /i/ user', 'unknown-variable@6'],
  ['a variable is in lower case', '/tmp/$user /i/ user', 'unknown-variable@6'],
  ['a known variable is the start of another word', '/tmp/$USERNAME /i/ user', 'unknown-variable@6'],
  ['a dollar sign stands alone', '/tmp/$$USER /i/ user', 'unknown-variable@6'],
  ['a variable in the prefix does not exist', '/tmp /i/$JOB/ user', 'unknown-variable@9'],
  ['a variable is thought to be escaped', '/tmp/\\$USER /i/ user', 'escaped-variable@7'],
  ['the method is an empty word', '/tmp /i/ ""', 'empty-method@10'],
  ['the method is a colon', '/tmp /i/ :', 'empty-method@10'],
  ['the method is in capitals', '/tmp /i/ User', 'unknown-method@10'],
  ['the method of old manuals is named', '/tmp /i/ both', 'unknown-method@10'],
  ['a colon is left over at the end', '/tmp /i/ user: root', 'empty-flag@15'],
  ['a colon is left over at the start', '/tmp /i/ :user root', 'empty-flag@10'],
  ['two colons follow each other', '/tmp /i/ user::create root', 'empty-flag@15'],
  ['a flag has its letters swapped', '/tmp /i/ user:craete', 'unknown-flag@15'],
  ['a flag is longer than its name', '/tmp /i/ user:createfoo', 'unknown-flag@15'],
  ['a flag is shorter than its name', '/tmp /i/ level:share', 'unknown-flag@16'],
  ['a flag of ours is longer than its name', '/tmp /i/ user:nosuidx', 'unknown-flag@15'],
  ['an option of the mount contains a colon', '/tmp x tmpfs:mntopts=mpol=bind:0-3', 'unknown-flag@32'],
  ['a flag is given twice', '/tmp /i/ user:noinit:noinit', 'duplicate-flag@22'],
  ['a plain flag has a value', '/tmp /i/ user:noinit=no', 'bad-value@22'],
  ['a mount flag has a value', '/tmp /i/ user:nosuid=1', 'bad-value@22'],
  ['the script has no name', '/tmp /i/ user:iscript=', 'bad-value@23'],
  ['the script has no value', '/tmp /i/ user:iscript', 'bad-value@15'],
  ['the scope does not exist', '/tmp /i/ user:scope=node', 'bad-value@21'],
  ['the scope has no value', '/tmp /i/ user:scope', 'bad-value@15'],
  ['keep= leads into another directory', '/tmp /i/ user:keep=a/b', 'bad-value@20'],
  ['keep= leads upwards', '/tmp /i/ user:keep=a,..', 'bad-value@22'],
  ['keep= names the directory itself', '/tmp /i/ user:keep=.', 'bad-value@20'],
  ['keep= is empty', '/tmp /i/ user:keep=', 'bad-value@20'],
  ['keep= has a wildcard', '/tmp /i/ user:keep=.X*', 'bad-value@20'],
  ['carry= has an empty entry', '/tmp /i/ user:carry=krb5cc_*,', 'bad-value@30'],
  ['carry= leads upwards', '/tmp /i/ user:carry=../etc/shadow', 'bad-value@21'],
  ['create= has nothing behind it', '/tmp /i/ user:create=', 'bad-value@22'],
  ['mntopts has nothing behind it', '/tmp x tmpfs:mntopts', 'bad-value@14'],
  ['mntopts= ends with a comma', '/tmp x tmpfs:mntopts=nosuid,', 'bad-value@29'],
  ['mount options are on a bind mount', '/tmp /i/ user:mntopts=nosuid', 'wrong-method@15'],
  ['shared is on a method without a context', '/tmp /i/ user:shared', 'wrong-method@15'],
  ['a tmpdir is to be shared by a job', '/tmp /i/ tmpdir:scope=job', 'wrong-method@17'],
  ['the mode lacks its leading 0', '/tmp /i/ user:create=1777', 'decimal-mode@22'],
  ['the short mode lacks its leading 0', '/tmp /i/ user:create=700', 'decimal-mode@22'],
  ['the mode is in letters', '/tmp /i/ user:create=rwx', 'bad-mode@22'],
  ['the mode is hexadecimal', '/tmp /i/ user:create=0x1ff', 'bad-mode@22'],
  ['the mode has more than twelve bits', '/tmp /i/ user:create=017777', 'bad-mode@22'],
  ['the mode has letters behind it', '/tmp /i/ user:create=0700x', 'bad-mode@22'],
  ['the owner does not exist', '/tmp /i/ user:create=0700,nosuch', 'bad-create@27'],
  ['the owner is a number', '/tmp /i/ user:create=0700,0', 'bad-create@27'],
  ['the group does not exist', '/tmp /i/ user:create=0700,root,nogrp', 'bad-create@32'],
  ['there is a third comma', '/tmp /i/ user:create=0700,root,daemon,root', 'bad-create@32'],
  ['the user list is a bare ~', '/tmp /i/ user ~', 'empty-list@15'],
  ['the user list is empty in quotes', '/tmp /i/ user ""', 'empty-name@15'],
  ['a comma is left over in the user list', '/tmp /i/ user root,', 'empty-name@20'],
  ['a user does not exist', '/tmp /i/ user root,amd', 'unknown-user@20'],
  ['the only user does not exist', '/tmp /i/ user ~alicee', 'empty-list@15 unknown-user@16'],
  ['a second ~ is in the list', '/tmp /i/ user root,~daemon', 'unknown-user@20'],
  ['a uid is named', '/tmp /i/ user 0', 'unknown-user@15'],
  ['a range is written with a hyphen', '/tmp /i/ user 0-1000', 'unknown-user@15'],
  ['everybody is meant by a star', '/tmp /i/ user *', 'unknown-user@15'],
  ['a group does not exist', '/tmp /i/ user @nogrp', 'unknown-group@15'],
  ['a group has no name', '/tmp /i/ user @', 'unknown-group@15'],
  ['a range ends before it starts', '/tmp /i/ user 5:3', 'bad-range@15'],
  ['a range has neither end', '/tmp /i/ user :', 'bad-range@15'],
  ['a range has three parts', '/tmp /i/ user 1:2:3', 'bad-range@15'],
  ['a range goes beyond the last uid', '/tmp /i/ user 0:4294967295', 'bad-range@15'],
]

const sorted = (text: string) => text.split(' ').sort()

for (const [sentence, line, expected] of MISTAKES) {
  t.test(`strict refuses when ${sentence}`, (t) => {
    const { rules, problems } = read(line)
    t.strictSame(errors(problems).sort(), sorted(expected), line)
    t.strictSame(rules, [], 'a bad line yields no rule')
    t.ok(
      problems.every(({ text }) => text === line),
      'the problem carries the line',
    )
    t.end()
  })

  t.test(`compat says the same when ${sentence}`, (t) => {
    const { rules, problems } = read(line, 'compat')
    const found = [...errors(problems), ...warnings(problems)]
    for (const entry of sorted(expected)) t.ok(found.includes(entry), `${entry} is among ${found}`)
    const isRefused = sorted(expected).some(
      (entry) => CODES[entry.split('@')[0] as ProblemCode].compat === 'error',
    )
    // A character that is odd can also make the path relative and so on: more errors, but never fewer.
    t.equal(rules.length === 0, isRefused || errors(problems).length > 0)
    t.end()
  })
}

const ADVICE: readonly [sentence: string, line: string, expected: string][] = [
  ['the name of the user is appended twice', '/tmp /i/$USER user', 'user-twice@6'],
  ['instances lie in a home directory', '/tmp $HOME/.tmp/ user', 'prefix-in-home@6'],
  ['a script is named beside noinit', '/tmp /i/ user:noinit:iscript=x', 'unused-flag@22'],
  ['tmpfs does not know an option', '/tmp x tmpfs:mntopts=size=1M,noatime', 'suspect-mntopt@30'],
  ['a size is no number', '/tmp x tmpfs:mntopts=size=big', 'suspect-mntopt@22'],
]

for (const [sentence, line, expected] of ADVICE) {
  t.test(`both modes warn when ${sentence}`, (t) => {
    for (const mode of ['strict', 'compat'] as const) {
      const { rules, problems } = read(line, mode)
      t.strictSame(warnings(problems), [expected])
      t.equal(rules.length, 1)
    }
    t.end()
  })
}

t.test('every code of a line has a case here', (t) => {
  const cases = [...MISTAKES, ...ADVICE].map(([, , expected]) => expected).join(' ')
  // These need more than one line, a file or a user; their tests are beside what finds them.
  const elsewhere = /-file$|^no-|^directory-|^bad-expansion|^extension|polydir$|^same-instance|^parent-/
  for (const code of Object.keys(CODES)) {
    if (elsewhere.test(code) && code !== 'root-polydir' && code !== 'invalid-polydir') continue
    t.ok(cases.includes(`${code}@`), code)
  }
  t.end()
})

t.test('compat names what only polyns uses, and uses it', (t) => {
  const line = '/tmp /i/ user:scope=job:keep=.X11-unix:carry=krb5cc_*:nosuid @staff,1000:1999'
  const { rules, problems } = read(line, 'compat')
  const at = [15, 25, 40, 55, 62, 69].map((column) => `extension@${column}`)
  t.strictSame([...errors(problems), ...warnings(problems)], at)
  t.match(rules[0], { scope: 'job', keep: ['.X11-unix'], carry: ['krb5cc_*'], mountFlags: ['nosuid'] })
  t.match(rules[0]?.users, { groups: [{ name: 'staff', gid: 50 }], ranges: [{ min: 1000, max: 1999 }] })
  t.end()
})

t.test('compat leaves out a value that an extension cannot have', (t) => {
  const { rules } = read('/tmp /i/ user:scope=x:keep=a,../b:nodev=1 9:1,root', 'compat')
  t.match(rules[0], { scope: 'user', keep: ['a'], mountFlags: [], users: { uids: [0], ranges: [] } })
  t.end()
})

t.test('dir is a method of polyns, and of nobody else', (t) => {
  t.equal(read('/tmp /i/ dir').rules[0]?.method, 'user')
  t.strictSame(errors(read('/tmp /i/ dir', 'compat').problems), ['unknown-method@10'])
  t.end()
})
