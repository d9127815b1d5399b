/* The registers that a thread goes on with. Recorded: a shell in wait4, x86_64, Linux 6.18; the same by hand for aarch64. */
import t from 'tap'
import { resumed } from '../../../src/ns/tracee.js'
import { REGISTERS } from '../../../src/sys/ptrace.js'

const { x86_64, aarch64 } = REGISTERS

// struct user_regs_struct, in its order.
const WAITING = [
  0x1n,
  0x563db1abfa80n,
  0x7ffcc33be0d0n,
  0x7ffcc33be0ccn,
  0n,
  1n,
  0x202n,
  0n,
  0n,
  7n,
  -512n,
  0x7ff298c95bd3n,
  0n,
  0x7ffcc33be0ccn,
  -1n,
  61n,
  0x7ff298c95bd3n,
  0x33n,
  0x202n,
  0x7ffcc33be0b8n,
  0x2bn,
  0x7ff298bbf740n,
  0n,
  0n,
  0n,
  0n,
  0n,
]
const SYSCALL = 0x7ff298c95bd1n
const [RAX, ORIG_RAX, RIP] = [10, 15, 16]

const buffer = (words: readonly bigint[]) => {
  const bytes = Buffer.alloc(words.length * 8)
  for (const [i, word] of words.entries()) bytes.writeBigInt64LE(word, i * 8)
  return bytes
}
const words = (bytes: Buffer) =>
  Array.from({ length: bytes.length / 8 }, (_, i) => bytes.readBigInt64LE(i * 8))
const put = (words: readonly bigint[], index: number, value: bigint) =>
  words.map((word, i) => (i === index ? value : word))
const changed = (before: readonly bigint[], after: Buffer) =>
  words(after).flatMap((word, i) => (word === before[i] ? [] : [[i, word]]))

t.test('x86_64: an interrupted syscall is made again', async (t) => {
  t.equal(buffer(WAITING).length, x86_64.bytes)
  for (const restart of [-512n, -513n, -514n, -516n]) {
    const saved = put(WAITING, RAX, restart)
    const after = resumed(x86_64, buffer(saved), SYSCALL)
    t.same(
      changed(saved, after),
      [
        [RAX, 61n],
        [ORIG_RAX, -1n],
        [RIP, SYSCALL],
      ],
      `${restart}`,
    )
  }
})

t.test('x86_64: a syscall that has ended keeps its result', async (t) => {
  for (const result of [1234n, 0n, -4n, -10n, -515n]) {
    const saved = put(WAITING, RAX, result)
    t.same(changed(saved, resumed(x86_64, buffer(saved), SYSCALL)), [[ORIG_RAX, -1n]], `${result}`)
  }
})

t.test('x86_64: a thread that was in no syscall goes on where it was', async (t) => {
  const saved = put(WAITING, ORIG_RAX, -1n)
  t.same(
    changed(saved, resumed(x86_64, buffer(saved), SYSCALL)),
    [],
    'though a register holds -512 by chance',
  )
})

t.test('aarch64: all is put back as it was, for the kernel has wound the program counter back', async (t) => {
  const saved = Array.from({ length: 34 }, (_, i) => BigInt(i) - 512n)
  t.equal(buffer(saved).length, aarch64.bytes)
  t.same(changed(saved, resumed(aarch64, buffer(saved), SYSCALL)), [])
})

t.test('the saved registers themselves are not touched', async (t) => {
  const saved = buffer(WAITING)
  resumed(x86_64, saved, SYSCALL)
  t.same(words(saved), WAITING)
})
