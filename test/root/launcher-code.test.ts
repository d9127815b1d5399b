/* tools/launcher: the bytes that are built are those of the source beside them, and the program is what it says, and no more. */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { ARCHES, launcher, readListing } from '../../tools/launcher.mjs'
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
    const entry = readListing(`entry-${arch}`)
    const madeEntry = await box.sh(['sh', '-ec', assemble], { input: `${entry.source.join('\n')}\n` })
    t.equal(entry.code.toString('hex'), hex(madeEntry), `entry-${arch}`)
    t.equal(entry.misplaced, undefined)

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

// Three lists of whole names: what one drops, none behind it can read.
t.test('launcher, script and executable let the same through', (t) => {
  const script = read('bin/polyns.sh').toString()
  const passed = Array.from(script.matchAll(/\$\{([A-Z_]+)\+"\1=\$\1"\}/g), ([, name]) => `${name}=`).sort()
  t.ok(passed.length > 15)
  const namesOf = (listing: string, from: string, to: string) => {
    const { source } = readListing(listing)
    const rows = source.slice(source.indexOf(`${from}:`), source.indexOf(`${to}:`))
    return rows.flatMap((line) => /\.asciz\s+"(.*)"/.exec(line)?.[1] ?? []).sort()
  }
  for (const arch of ARCHES) {
    t.same(namesOf(arch, 'terminal_names', 'login_names'), ['LANG=', 'PATH='], `${arch}: not at a login`)
    t.same(
      namesOf(arch, 'login_names', 'pam'),
      passed.filter((name) => name !== 'LANG='),
      arch,
    )
    t.same(
      namesOf(`entry-${arch}`, 'names', 'cut_text'),
      [...passed, 'POLYNS_NOFILE='].sort(),
      `entry-${arch}`,
    )
  }
  t.end()
})
