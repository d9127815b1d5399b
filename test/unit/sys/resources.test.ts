import { fstatSync, openSync, readFileSync } from 'node:fs'
import t from 'tap'
import { close, Fd } from '../../../src/sys/fd.js'
import { O } from '../../../src/sys/flags.js'
import { openat2 } from '../../../src/sys/path.js'
import { UndoStack } from '../../../src/sys/undo.js'

function isOpen(number: number): boolean {
  try {
    fstatSync(number)
    return true
  } catch {
    return false
  }
}

t.test('an Fd is closed at the end of its scope, also by an exception', (t) => {
  let number = -1
  const use = () => {
    using file = openat2(null, '/', O.O_PATH, 0)
    number = file.number
    t.ok(isOpen(number))
    t.equal(file.procPath, `/proc/self/fd/${number}`)
    t.equal(file.label, '/')
    throw new Error('out')
  }
  t.throws(use, /out/)
  t.notOk(isOpen(number))
  t.end()
})

t.test('a closed Fd is a defect to use, and closing it again does nothing', (t) => {
  const file = new Fd(openSync('/', 'r'), 'the root')
  file[Symbol.dispose]()
  t.throws(() => file.number, /the descriptor of the root is closed/)
  t.throws(() => file.procPath, Error)
  file[Symbol.dispose]()
  t.end()
})

t.test('a number given away stays open', (t) => {
  const file = new Fd(openSync('/', 'r'), 'the root')
  const number = file.release()
  file[Symbol.dispose]()
  t.ok(isOpen(number))
  t.throws(() => file.number, Error)
  close(number)
  t.throws(() => close(number), { code: 'EBADF', message: `close(${number}) = EBADF (bad file descriptor)` })
  t.end()
})

t.test('descriptors do not reach the programs that are started', (t) => {
  using file = openat2(null, '/', O.O_PATH, 0)
  const flags = /^flags:\s+(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${file.number}`, 'utf8'))?.[1] ?? '0'
  t.ok(Number.parseInt(flags, 8) & O.O_CLOEXEC)
  t.end()
})

t.test('an UndoStack takes back in reverse order', (t) => {
  const done: string[] = []
  {
    using undo = new UndoStack()
    undo.push('first', () => done.push('first'))
    undo.push('second', () => done.push('second'))
  }
  t.strictSame(done, ['second', 'first'])
  t.end()
})

t.test('what is committed stays; what comes after that is taken back', (t) => {
  const done: string[] = []
  {
    using undo = new UndoStack()
    undo.push('kept', () => done.push('kept'))
    undo.commit()
    undo.push('later', () => done.push('later'))
  }
  t.strictSame(done, ['later'])
  t.end()
})

t.test('each step is taken even if another throws, and the error names those that did', (t) => {
  const done: string[] = []
  const fail = (text: string) => () => {
    throw new Error(text)
  }
  const undo = new UndoStack()
  undo.push('one', () => done.push('one'))
  undo.push('two', fail('busy'))
  undo.push('three', () => done.push('three'))
  undo.push('four', fail('gone'))
  t.throws(() => undo[Symbol.dispose](), {
    name: 'AggregateError',
    message: 'could not undo: four; could not undo: two',
    errors: [{ cause: { message: 'gone' } }, { cause: { message: 'busy' } }],
  })
  t.strictSame(done, ['three', 'one'])
  undo[Symbol.dispose]()
  t.strictSame(done, ['three', 'one'], 'and each only once')
  t.end()
})

t.test('when the work and the undo both fail, neither error is lost', (t) => {
  const work = () => {
    using undo = new UndoStack()
    undo.push('it', () => {
      throw new Error('busy')
    })
    throw new Error('the work')
  }
  t.throws(work, {
    name: 'SuppressedError',
    suppressed: { message: 'the work' },
    error: { name: 'AggregateError' },
  })
  t.end()
})
