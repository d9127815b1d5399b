// Makes polyns a single executable: Node with the bundles in it, which needs beside it only koffi's native file.
// docs/packaging.md says why it is made like this.
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { bundle } from './bundle.mjs'
import { placesOf } from './sea/ahead.mjs'
import { putInto } from './sea/elf.mjs'
import { fetchNode, run } from './sea/fetch.mjs'
import { FLAGS, LOGIN_FLAGS } from './sea/switches.mjs'

/** What the launcher beside it looks for. */
export const EXECUTABLE = 'polyns-node'
const TARGET = 'node24' // tools/sea/node.json

/**
 * The executable has three programs, each with Node's switches of its own: launcher/entry-ARCH.lst chooses.
 * @param main what all of them run instead
 * @param sessionFlags more switches for the two that open and close
 * @returns where Node's package is unpacked
 */
export async function makeExecutable({ arch, output, main, sessionFlags = [] }) {
  const { directory } = fetchNode(arch)
  const work = mkdtempSync(join(tmpdir(), 'polyns-sea-'))
  try {
    for (const file of ['compile.cjs', 'compile-some.cjs'])
      copyFileSync(`tools/sea/${file}`, join(work, file))
    copyFileSync(main ?? 'tools/sea/main.cjs', join(work, 'main.cjs'))
    await write(work, 'assistant')
    const isCompiled = arch === process.arch
    const flags = [...FLAGS, ...LOGIN_FLAGS, ...sessionFlags]
    const blobs = {
      opens: await sessionsBlob(work, 'open', { isCompiled, main, flags }),
      closes: await sessionsBlob(work, 'close', { isCompiled, main, flags }),
      others: await othersBlob(work, { isCompiled }),
    }
    writeFileSync(output, putInto(readFileSync(join(directory, 'bin/node')), blobs, arch))
    chmodSync(output, 0o755)
  } finally {
    rmSync(work, { recursive: true })
  }
  return directory
}

/**
 * The bundle is the main program, which Node keeps compiled: that takes neither node:sea nor node:vm, nor a copy of the code.
 * Node compiles what runs at once; with it goes what else an ordinary login runs. Else as main.cjs, which says why.
 */
async function sessionsBlob(work, name, { isCompiled, main, flags }) {
  const made = (program) =>
    blob(work, flags, { main: program, useCodeCache: isCompiled, assets: assetsOf('assistant.cjs') })
  if (main !== undefined) return made('main.cjs')
  const text = await sessionsProgram(name)
  writeFileSync(join(work, `${name}.cjs`), text, 'latin1')
  const plain = made(`${name}.cjs`)
  if (!isCompiled) return plain
  writeFileSync(join(work, 'places.json'), JSON.stringify(placesOf(`tools/sea/ahead-${name}.txt`, text)))
  maker(work, flags, 'compile-some.cjs', `${name}.cjs`, 'code', 'places.json')
  return withCode(plain, readFileSync(join(work, 'code')))
}

/** @param name `open` or `close` @returns {Promise<string>} the text of that program */
export async function sessionsProgram(name) {
  return `process.exitCode = 1
process.env.PATH = '/usr/sbin:/usr/bin:/sbin:/bin'
try {
  ;((__filename) => {${await bundle(name, TARGET)}})(process.execPath + '/${name}.cjs')
} catch (error) {
  process._rawDebug('polyns: cannot start: ' + error.message + ': install it again')
}
`
}

/**
 * A blob has a head of 9 bytes, then the name of the main program, its text and its code, each behind its length (node_sea.cc).
 * Code begins with what V8 compares before it takes any: its version, the text's length, the switches.
 */
function withCode(blob, code) {
  let at = 9
  const lengthAt = (from) => 8 + Number(blob.readBigUInt64LE(from))
  for (let skipped = 0; skipped < 2; skipped++) at += lengthAt(at)
  const compared = 16
  if (!blob.subarray(at + 8, at + 8 + compared).equals(code.subarray(0, compared)))
    throw new Error('this Node does not keep compiled code as others of its version do')
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(code.length))
  return Buffer.concat([blob.subarray(0, at), length, code, blob.subarray(at + lengthAt(at))])
}

async function othersBlob(work, { isCompiled }) {
  // A function already: to put that around 700 kB at each start would copy them again.
  const asFunction = (text) => `(function (exports, require, module, __filename, __dirname) {${text}\n})`
  await write(work, 'polyns', asFunction)
  if (isCompiled) maker(work, FLAGS, 'compile.cjs', 'polyns.cjs', 'polyns.cache')
  const compiled = isCompiled ? ['polyns.cache'] : []
  return blob(work, FLAGS, {
    main: 'main.cjs',
    assets: assetsOf('assistant.cjs', 'polyns.cjs', ...compiled),
  })
}

async function write(work, name, change = (text) => text) {
  writeFileSync(join(work, `${name}.cjs`), change(await bundle(name, TARGET)), 'latin1')
}

const assetsOf = (...files) => Object.fromEntries(files.map((file) => [file, file]))

function blob(work, flags, config) {
  const common = {
    output: 'blob',
    disableExperimentalSEAWarning: true,
    execArgv: flags,
    execArgvExtension: 'none',
  }
  writeFileSync(join(work, 'sea.json'), JSON.stringify({ ...common, ...config }))
  maker(work, flags, '--experimental-sea-config', 'sea.json')
  return readFileSync(join(work, 'blob'))
}

/** The Node of the same version, on this machine. The paths of files are kept in what it makes, so they have no directory. */
function maker(work, flags, ...words) {
  const node = resolve(fetchNode(process.arch).directory, 'bin/node')
  // Or V8 picks another order for its tables each time. It is no switch that has to be the same when the code is used.
  run('env', '-C', work, node, ...flags, '--random-seed=1', ...words)
}
