import t from 'tap'
import {
  bind,
  check,
  cstr,
  during,
  errnoName,
  escapeControls,
  ignoring,
  quote,
  syscallError,
  traceCalls,
} from '../../../src/sys/call.js'
import { SyscallError } from '../../../src/sys/errors.js'
import { flagNames, MNT, MS, O, PTRACE_O } from '../../../src/sys/flags.js'
import { mount, umount2 } from '../../../src/sys/mount.js'

const ENOENT = 2
const nope = { syscall: 'mount', show: () => "'/nope', '/tmp'", path: '/nope', dest: '/tmp' }
const failing = (errno: number) => () => check(-errno, nope)

t.test('an error says what was attempted, the call with its arguments, and errno by name', (t) => {
  // The target is looked up before the rights: this fails for everybody, and mounts nothing.
  const attempt = () =>
    during("bind '/tmp' on '/nope'", () => mount('/tmp', '/nope', null, MS.MS_BIND | MS.MS_REC))
  t.throws(attempt, {
    name: 'SyscallError',
    message:
      "bind '/tmp' on '/nope': mount('/tmp', '/nope', null, MS_BIND|MS_REC, null) = ENOENT (no such file or directory)",
    code: 'ENOENT',
    errno: -ENOENT,
    syscall: 'mount',
    path: '/tmp',
    dest: '/nope',
  })
  t.throws(
    () => umount2('/nope\n', MNT.MNT_DETACH | MNT.UMOUNT_NOFOLLOW),
    new Error("umount2('/nope\\x0a', MNT_DETACH|UMOUNT_NOFOLLOW) = ENOENT (no such file or directory)"),
  )
  t.end()
})

t.test('intents nest; other errors pass through as they are', (t) => {
  const inner = () => during('inner', failing(ENOENT))
  t.throws(() => during('outer', inner), { message: /^outer: inner: mount\(/, code: 'ENOENT' })
  const defect = new TypeError('a defect')
  t.throws(
    () =>
      during('outer', () => {
        throw defect
      }),
    defect,
  )
  t.equal(
    during('fine', () => 7),
    7,
  )
  t.end()
})

t.test('check gives the result, or throws for -errno', (t) => {
  t.equal(check(5, nope), 5)
  t.equal(check(0, nope), 0)
  t.throws(failing(13), SyscallError)
  t.match(syscallError(13, nope), { code: 'EACCES', errno: -13 })
  t.end()
})

t.test('ignoring tolerates what it names, and nothing else', (t) => {
  t.equal(ignoring(['ENOENT'], 'it may be gone', failing(ENOENT)), undefined)
  t.equal(
    ignoring(['ENOENT'], 'it may be gone', () => 7),
    7,
  )
  t.throws(() => ignoring(['ENOENT'], 'it may be gone', failing(13)), { code: 'EACCES' })
  t.throws(
    () =>
      ignoring(['ENOENT'], 'no', () => {
        throw Object.assign(new Error(), { code: 'ENOENT' })
      }),
    Error,
  )
  t.end()
})

t.test('the trace sees every call, also those that fail and those that are ignored', (t) => {
  const lines: string[] = []
  traceCalls((line) => lines.push(line))
  t.teardown(() => traceCalls(undefined))
  check(3, nope)
  ignoring(['ENOENT'], 'it may be gone', failing(ENOENT))
  traceCalls(undefined)
  check(3, nope)
  t.strictSame(lines, [
    "mount('/nope', '/tmp') = 3",
    "mount('/nope', '/tmp') = ENOENT",
    'ignored ENOENT: it may be gone',
  ])
  t.end()
})

t.test('a bound call gives -errno, whatever is done before it is looked at', (t) => {
  const close = bind('close', 'int')
  const rc = close(-1)
  process.stderr.write('')
  t.equal(rc, -9)
  t.end()
})

t.test('errno by name', (t) => {
  t.equal(errnoName(2), 'ENOENT')
  t.equal(errnoName(38), 'ENOSYS')
  t.equal(errnoName(61), 'ENODATA')
  t.equal(errnoName(599), 'errno 599')
  t.end()
})

t.test('a path with a NUL inside is refused: the kernel would take the shorter one', (t) => {
  t.strictSame(cstr('/tmp', 'open'), Buffer.from('/tmp\0'))
  t.strictSame(cstr('', 'open'), Buffer.of(0))
  t.strictSame(cstr(Buffer.of(0xff), 'open'), Buffer.of(0xff, 0), 'bytes that are no text are taken')
  t.throws(() => cstr('/tmp\0/x', 'mount'), {
    code: 'EINVAL',
    message: "mount('/tmp\\x00/x': a NUL byte cannot be in a path) = EINVAL (invalid argument)",
  })
  t.throws(() => cstr(Buffer.from('a\0'), 'mount'), { code: 'EINVAL' })
  t.throws(() => mount('/tmp', '/nope\0', null, 0), { code: 'EINVAL' })
  t.end()
})

t.test('what is quoted cannot forge output', (t) => {
  t.equal(quote(null), 'null')
  t.equal(quote('/a b'), "'/a b'")
  t.equal(quote("it's \\"), "'it\\'s \\\\'")
  t.equal(quote('\x1b[2J\n\x7f\u009b'), "'\\x1b[2J\\x0a\\x7f\\x9b'")
  t.equal(quote(Buffer.from('bytes')), "'bytes'")
  t.equal(escapeControls('a\rb'), 'a\\x0db')
  t.end()
})

t.test('flags by their names', (t) => {
  t.equal(flagNames(MS, 0), '0')
  t.equal(flagNames(MS, MS.MS_SLAVE | MS.MS_REC), 'MS_REC|MS_SLAVE')
  t.equal(flagNames(MS, MS.MS_BIND | 0x8000_0000), 'MS_BIND|0x80000000', 'and bits without one')
  t.equal(flagNames(O, O.O_PATH | O.O_CLOEXEC), 'O_PATH|O_CLOEXEC')
  t.equal(flagNames(PTRACE_O, PTRACE_O.PTRACE_O_EXITKILL), 'PTRACE_O_EXITKILL')
  t.end()
})
