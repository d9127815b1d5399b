// What the benches measure, made anew from this checkout into .cache/bench: the package, and the executable that only loads koffi.
import { copyFileSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { fetchKoffi, run } from '../tools/sea/fetch.mjs'
import { EXECUTABLE, makeExecutable } from '../tools/sea.mjs'

const MADE = '.cache/bench'

/** Called in the checkout. */
export async function makeAll() {
  run(process.execPath, 'tools/build.mjs')
  rmSync(MADE, { recursive: true, force: true })
  mkdirSync(`${MADE}/koffi`, { recursive: true })
  run(process.execPath, 'tools/package.mjs', '--output', MADE)
  const [deb] = readdirSync(MADE).filter((name) => name.endsWith('.deb'))
  renameSync(`${MADE}/${deb}`, `${MADE}/polyns.deb`)
  await makeExecutable({ arch: process.arch, output: `${MADE}/koffi/${EXECUTABLE}`, main: 'bench/koffi.cjs' })
  copyFileSync(fetchKoffi(process.arch).path, `${MADE}/koffi/koffi.node`)
}
