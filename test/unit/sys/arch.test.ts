import { existsSync, readFileSync } from 'node:fs'
import t from 'tap'
import { type Machine, machine, syscallNames, syscallNumber } from '../../../src/sys/arch.js'
import { UnsupportedError } from '../../../src/sys/errors.js'
import { REGISTERS, registerLayout } from '../../../src/sys/ptrace.js'

t.test('the machine, by the name of uname(2)', (t) => {
  t.equal(machine('x64'), 'x86_64')
  t.equal(machine('arm64'), 'aarch64')
  t.throws(
    () => machine('riscv64'),
    new UnsupportedError("processor 'riscv64'", 'polyns knows x86_64 and aarch64'),
  )
  t.end()
})

t.test('syscall numbers', (t) => {
  const known = {
    mount: [165, 40],
    umount2: [166, 39],
    unshare: [272, 97],
    setns: [308, 268],
    ptrace: [101, 117],
    wait4: [61, 260],
    setresuid: [117, 147],
    setresgid: [119, 149],
    setfsuid: [122, 151],
    setfsgid: [123, 152],
    unlinkat: [263, 35],
    mkdirat: [258, 34],
    fchmod: [91, 52],
    fchown: [93, 55],
    openat2: [437, 437],
    mount_setattr: [442, 442],
    pidfd_getfd: [438, 438],
  } as const
  for (const name of Object.keys(known) as (keyof typeof known)[]) {
    t.strictSame([syscallNumber(name, 'x86_64'), syscallNumber(name, 'aarch64')], known[name], name)
  }
  for (const on of ['x86_64', 'aarch64'] as const) {
    const numbers = syscallNames.map((name) => syscallNumber(name, on))
    t.ok(numbers.every((n) => Number.isInteger(n) && n > 0))
    t.equal(new Set(numbers).size, syscallNames.length, `each call on ${on} has a number of its own`)
  }
  // From 424 on every machine has the same numbers.
  for (const name of syscallNames.filter((name) => syscallNumber(name, 'x86_64') >= 424)) {
    t.equal(syscallNumber(name, 'aarch64'), syscallNumber(name, 'x86_64'), name)
  }
  t.end()
})

t.test('they are those of the kernel headers, where a compiler has brought these along', (t) => {
  for (const [on, file] of [
    ['x86_64', '/usr/include/x86_64-linux-gnu/asm/unistd_64.h'],
    ['x86_64', '/usr/include/asm/unistd_64.h'],
    ['aarch64', '/usr/include/asm-generic/unistd.h'],
  ] as const satisfies [Machine, string][]) {
    if (!existsSync(file)) continue
    const text = readFileSync(file, 'utf8')
    const defined = new Map(
      Array.from(text.matchAll(/^#define (?:__NR|__NR3264)_(\w+)\s+(\d+)$/gm), ([, name, n]) => [
        name,
        Number(n),
      ]),
    )
    // Headers can be older than the call.
    const here = syscallNames.filter((name) => defined.has(name))
    t.strictSame(
      here.map((name) => [name, syscallNumber(name, on)]),
      here.map((name) => [name, defined.get(name)]),
      file,
    )
  }
  t.end()
})

t.test('registers of a syscall on x86_64: struct user_regs_struct', (t) => {
  const order =
    'r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss fs_base gs_base ds es fs gs'.split(
      ' ',
    )
  const at = (name: string) => order.indexOf(name) * 8
  t.strictSame(REGISTERS.x86_64, {
    bytes: order.length * 8,
    pc: at('rip'),
    number: at('rax'),
    args: [at('rdi'), at('rsi'), at('rdx'), at('r10'), at('r8'), at('r9')],
    result: at('rax'),
    interrupted: at('orig_rax'),
    instruction: Buffer.from('0f05', 'hex'),
  })
  t.end()
})

t.test('registers of a syscall on aarch64: struct user_pt_regs', (t) => {
  const order = [...Array.from({ length: 31 }, (_, i) => `x${i}`), 'sp', 'pc', 'pstate']
  const at = (name: string) => order.indexOf(name) * 8
  t.strictSame(REGISTERS.aarch64, {
    bytes: order.length * 8,
    pc: at('pc'),
    number: at('x8'),
    args: [at('x0'), at('x1'), at('x2'), at('x3'), at('x4'), at('x5')],
    result: at('x0'),
    interrupted: null,
    instruction: Buffer.from('010000d4', 'hex'), // svc #0, little-endian
  })
  t.equal(registerLayout(), REGISTERS[machine()])
  t.end()
})
