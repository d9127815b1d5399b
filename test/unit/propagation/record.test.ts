import { chmodSync, existsSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { MountId } from '../../../src/mountinfo/parse.js'
import { type Change, readRecord, writeRecord } from '../../../src/propagation/record.js'
import { UnsafePathError } from '../../../src/sys/errors.js'

const BOOT = 'c0ffee'
const me = process.geteuid?.() ?? 0
const mount = { id: 5 as MountId, dev: '8:1', root: '/tmp', mountPoint: '/tmp' }
const CHANGES: Change[] = [
  { kind: 'shared', path: '/', mounts: [{ ...mount, was: 'unbindable' }] },
  { kind: 'bound', path: '/tmp', mount },
  { kind: 'parent', path: '/inst' },
]

const read = (directory: string, boot = BOOT) => readRecord(directory, boot, me)
const fileIn = (t: Test, text: string) => {
  const directory = t.testdir({ 'setup.json': text })
  chmodSync(join(directory, 'setup.json'), 0o644)
  return directory
}

t.test('what was written is read again, in its order', (t) => {
  const directory = t.testdir()
  t.strictSame(read(directory), [])
  writeRecord(directory, BOOT, CHANGES)
  t.strictSame(read(directory), CHANGES)
  t.strictSame(readdirSync(directory), ['setup.json'], 'and nothing is left aside')
  t.strictSame(read(directory, 'another boot'), [], 'mount ids of another boot mean nothing')
  writeRecord(directory, BOOT, [])
  t.notOk(existsSync(join(directory, 'setup.json')))
  t.strictSame(read(directory), [])
  t.end()
})

t.test('what a run that was killed left aside does not matter', (t) => {
  const directory = t.testdir({ 'setup.json.new': 'half of i' })
  writeRecord(directory, BOOT, CHANGES)
  t.strictSame(read(directory), CHANGES)
  t.end()
})

t.test('a record that is not what setup writes is refused, not guessed at', (t) => {
  const whole = (changes: unknown) => JSON.stringify({ format: 1, bootId: BOOT, changes })
  for (const text of [
    '',
    '{',
    'null',
    '[]',
    '{"format":2}',
    whole(null),
    whole([null]),
    whole([{ kind: 'bound', path: '/tmp' }]),
    whole([{ kind: 'bound', path: '/tmp', mount: { ...mount, id: '5' } }]),
    whole([{ kind: 'bound', path: 7, mount }]),
    whole([{ kind: 'shared', path: '/', mounts: [{ ...mount, was: 'shared' }] }]),
    whole([{ kind: 'shared', path: '/', mounts: {} }]),
    whole([{ kind: 'else', path: '/' }]),
  ]) {
    t.throws(() => read(fileIn(t, text)), UnsafePathError, text)
  }
  t.end()
})

t.test('a record that others could have written is refused', (t) => {
  const directory = fileIn(t, '{}')
  chmodSync(join(directory, 'setup.json'), 0o664)
  t.throws(() => read(directory), /others than root can write to it/)
  t.throws(() => readRecord(fileIn(t, '{}'), BOOT, me + 1), UnsafePathError)
  const other = t.testdir({ real: 'text' })
  symlinkSync('real', join(other, 'setup.json'))
  t.throws(() => read(other), { code: 'ELOOP' })
  writeRecord(other, BOOT, CHANGES)
  t.equal(readFileSync(join(other, 'real'), 'utf8'), 'text', 'and nothing is written through a link')
  writeFileSync(join(other, 'real'), '')
  t.end()
})
