// Makes polyns a single executable: Node with the bundles of dist/ in it, which needs beside it only koffi's native file.
// docs/packaging.md says why it is made like this.
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { putInto } from './sea/elf.mjs'
import { fetchNode, run } from './sea/fetch.mjs'

/** What the launcher beside it looks for. */
export const EXECUTABLE = 'polyns-node'
/** Node's own switches. Nobody else can give any: see execArgvExtension below. */
const FLAGS = [
  '--disable-sigusr1', // no debugger for whoever may send a signal
  '--v8-pool-size=1', // a login is over before V8's helper threads could be of use; 0 is one for each processor
]
const BUNDLES = ['pam', 'polyns', 'assistant']
const COMPILED = ['pam', 'polyns'] // a thread has no way to use such code

/** Needs dist/. @param main what it runs; without it tools/sea/main.cjs @returns where Node's package is unpacked */
export function makeExecutable({ arch, output, main = 'tools/sea/main.cjs' }) {
  const { directory } = fetchNode(arch)
  // The one that makes it must be of the same version, and of this machine.
  const maker = join(fetchNode(process.arch).directory, 'bin/node')
  const work = mkdtempSync(join(tmpdir(), 'polyns-sea-'))
  try {
    const assets = Object.fromEntries(BUNDLES.map((name) => [`${name}.cjs`, `dist/${name}.cjs`]))
    if (arch === process.arch) {
      for (const name of COMPILED) assets[`${name}.cache`] = join(work, `${name}.cache`)
      const files = COMPILED.flatMap((name) => [assets[`${name}.cjs`], assets[`${name}.cache`]])
      run(maker, ...FLAGS, 'tools/sea/compile.cjs', ...files)
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
