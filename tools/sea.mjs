// Makes polyns a single executable: Node with the bundles in it, which needs beside it only koffi's native file.
// docs/packaging.md says why it is made like this.
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bundle, COMPILED, ENTRIES } from './bundle.mjs'
import { putInto } from './sea/elf.mjs'
import { fetchNode, run } from './sea/fetch.mjs'

/** What the launcher beside it looks for. */
export const EXECUTABLE = 'polyns-node'
/** Node's own switches. Nobody else can give any: see execArgvExtension below. */
const FLAGS = [
  '--disable-sigusr1', // no debugger for whoever may send a signal
  '--v8-pool-size=1', // a login is over before V8's helper threads could be of use; 0 is one for each processor
]
const TARGET = 'node24' // tools/sea/node.json

/** @param main what it runs; without it tools/sea/main.cjs @returns where Node's package is unpacked */
export async function makeExecutable({ arch, output, main = 'tools/sea/main.cjs' }) {
  const { directory } = fetchNode(arch)
  // The one that makes it must be of the same version, and of this machine.
  const maker = join(fetchNode(process.arch).directory, 'bin/node')
  const work = mkdtempSync(join(tmpdir(), 'polyns-sea-'))
  try {
    const assets = Object.fromEntries(
      Object.keys(ENTRIES).map((name) => [`${name}.cjs`, join(work, `${name}.cjs`)]),
    )
    for (const name of Object.keys(ENTRIES))
      writeFileSync(assets[`${name}.cjs`], await source(name), 'latin1')
    if (arch === process.arch) {
      for (const name of COMPILED) assets[`${name}.cache`] = join(work, `${name}.cache`)
      const files = COMPILED.flatMap((name) => [assets[`${name}.cjs`], assets[`${name}.cache`]])
      // Or V8 picks another order for its tables each time. It is no flag that has to be the same when the code is used.
      run(maker, ...FLAGS, '--random-seed=1', 'tools/sea/compile.cjs', ...files)
    }
    const blob = join(work, 'blob')
    const config = {
      main,
      output: blob,
      disableExperimentalSEAWarning: true,
      execArgv: FLAGS,
      execArgvExtension: 'none',
      assets,
    }
    writeFileSync(join(work, 'sea.json'), JSON.stringify(config))
    run(maker, '--experimental-sea-config', join(work, 'sea.json'))
    writeFileSync(output, putInto(readFileSync(join(directory, 'bin/node')), readFileSync(blob), arch))
    chmodSync(output, 0o755)
  } finally {
    rmSync(work, { recursive: true })
  }
  return directory
}

/** As a function already: to put that around 180 kB at each login would copy them again. */
async function source(name) {
  const text = await bundle(name, TARGET)
  if (!COMPILED.includes(name)) return text
  return `(function (exports, require, module, __filename, __dirname) {${text}\n})`
}
