import t from 'tap'
import { describeError, EXIT, exitStatusOf } from '../../../src/cli/report.js'
import {
  ConfigError,
  ScriptError,
  SyscallError,
  UnsafePathError,
  UnsupportedError,
  UsageError,
} from '../../../src/sys/errors.js'
import { UndoStack } from '../../../src/sys/undo.js'

const syscall = (code: string) =>
  new SyscallError({ code, errno: 1, syscall: 'mount', message: `mount() = ${code}` })
const text = (error: unknown) => describeError(error, { stack: true })

t.test('each kind of error has one exit status', async (t) => {
  for (const [error, status] of [
    [new UsageError('x'), EXIT.usage],
    [new ConfigError('x', '/f', 1, 1), EXIT.config],
    [syscall('EPERM'), EXIT.unsupported],
    [syscall('ENOSYS'), EXIT.unsupported],
    [syscall('ENOSPC'), EXIT.failed],
    [new UnsupportedError('x', 'y'), EXIT.unsupported],
    [new UnsafePathError('/p', 'y'), EXIT.unsafe],
    [new ScriptError('x'), EXIT.failed],
    [new Error('x'), EXIT.failed],
    ['x', EXIT.failed],
    [undefined, EXIT.failed],
  ] as const)
    t.equal(exitStatusOf(error), status, String(error))
  t.same(EXIT, { ok: 0, failed: 1, usage: 2, config: 3, unsupported: 4, unsafe: 5 }, 'which are promised')
})

t.test('the outermost error of a known kind decides', async (t) => {
  t.equal(exitStatusOf(new UnsafePathError('/p', 'why', { cause: syscall('EPERM') })), EXIT.unsafe)
  t.equal(exitStatusOf(new Error('x', { cause: syscall('EPERM') })), EXIT.unsupported)
})

t.test('causes follow one another, a line each', async (t) => {
  const error = new UnsupportedError('outer', 'needs it', {
    cause: new Error('middle', { cause: syscall('EINVAL') }),
  })
  t.equal(text(error), 'outer: needs it\n  because middle\n    because mount() = EINVAL')
  const round = new UsageError('round')
  round.cause = round
  t.equal(text(round), 'round', 'a cause that is its own ends')
})

t.test('an undo that fails does not hide why it was needed', async (t) => {
  const failing = () => {
    using undo = new UndoStack()
    undo.push('remove /x', () => {
      throw syscall('EROFS')
    })
    throw new UnsafePathError('/p', 'is a symlink')
  }
  t.throws(failing)
  try {
    failing()
  } catch (error) {
    t.equal(exitStatusOf(error), EXIT.unsafe)
    t.match(text(error).split('\n'), [
      /^\/p: is a symlink$/,
      /because could not undo: remove \/x$/,
      /because could not undo: remove \/x$/,
      /because mount\(\) = EROFS$/,
    ])
  }
})

t.test('a broken line is named by file, line and column', async (t) => {
  t.equal(text(new ConfigError('unknown method', '/etc/x.conf', 3, 14)), '/etc/x.conf:3:14: unknown method')
  t.equal(text(new ConfigError('missing', '/etc/x.conf', 0, 0)), 'missing')
})

t.test('names cannot move the cursor or forge a line', async (t) => {
  t.equal(
    text(new UnsafePathError("user '\x1b[2J\nroot\r\x07'", 'x')),
    "user '\\x1b[2J\\x0aroot\\x0d\\x07': x",
  )
})

t.test('only a defect shows where it arose', async (t) => {
  t.match(text(new TypeError('oops')), /^oops\nthis is a defect of polyns; .*\nTypeError: oops\n +at /)
  t.notMatch(describeError(new TypeError('oops'), { stack: false }), 'defect')
  const enoent = Object.assign(new Error('ENOENT: no such file'), { code: 'ENOENT' })
  for (const error of [enoent, new ScriptError('x'), syscall('EIO'), new UsageError('x')])
    t.notMatch(text(error), 'defect')
})
