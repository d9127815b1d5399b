/* tools/launcher: the bytes that are built are those of the source beside them, and the program is what it says, and no more. */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { launcher, readListing } from '../../tools/launcher.mjs'
import { needs } from '../support/needs.js'
import { Sandbox } from '../support/sandbox.js'

const skip = needs('root', 'layer', 'dist')
const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url))
const hex = (text: string) => text.replace(/\s/g, '')

t.test('the bytes are those of the source', { skip }, async (t) => {
  await using box = await Sandbox.start()
  for (const [arch, prefix] of [
    ['x64', 'x86_64-linux-gnu'],
    ['arm64', 'aarch64-linux-gnu'],
  ] as const) {
    const { source, code } = readListing(arch)
    const assemble = `cd /run; ${prefix}-as -o code.o; ${prefix}-objcopy -O binary -j .text code.o code; od -An -v -tx1 code`
    const made = await box.sh(['sh', '-ec', assemble], { input: `${source.join('\n')}\n` })
    t.ok(code.length > 400)
    t.equal(code.toString('hex'), hex(made), arch)

    await box.write('/run/elf.hex', launcher(arch).toString('hex'))
    await box.sh(`perl -e 'print pack "H*", <>' /run/elf.hex >/run/elf`)
    const told = await box.sh(`${prefix}-readelf -hlW /run/elf`)
    t.match(told, /Type: +EXEC .*\n +Machine: +(Advanced Micro Devices X86-64|AArch64)\n/, 'a static program')
    t.match(told, /Number of program headers: +2\n/)
    t.match(told, / LOAD .* R E 0x10000\n/, 'that cannot write to itself')
    t.match(told, / GNU_STACK .* RW +0x10\n/, 'nor run its stack')
    t.notMatch(told, /INTERP|DYNAMIC/, 'and needs no loader')
  }
})

t.test('bin/polyns is that of this machine', { skip }, async (t) => {
  t.ok(read('bin/polyns').equals(launcher(process.arch)))
})

t.test('there is none for another machine', (t) => {
  t.throws(() => launcher('mips'), /no launcher for mips, only for x64 and arm64/)
  t.end()
})

// Its list is by the beginnings of names, and without a loss must be as wide as the one in the script, which is exact.
t.test('what the script passes on, the launcher lets through', (t) => {
  const script = read('bin/polyns.sh').toString()
  const passed = Array.from(script.matchAll(/\$\{([A-Z_]+)\+"\1=\$\1"\}/g), ([, name]) => name)
  t.ok(passed.length > 15)
  for (const arch of ['x64', 'arm64']) {
    const { source } = readListing(arch)
    const names = source.slice(source.indexOf('login_names:'), source.indexOf('service:'))
    const kept = names.flatMap((line) => /\.asciz\s+"(.*)"/.exec(line)?.[1] ?? [])
    t.same(kept, ['XDG_SESSION_', 'SLURM', 'TERM=', 'LANG=', 'NO_COLOR=', 'PAM_'])
    t.same(
      passed.filter((name) => !kept.some((start) => `${name}=`.startsWith(start))),
      [],
      arch,
    )
  }
  t.end()
})
