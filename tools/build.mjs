// Makes dist/: the bundles, compiled ahead, and what starts them; and bin/polyns, which the PAM lines start.
import { createHash } from 'node:crypto'
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { Script } from 'node:vm'
import { bundle, COMPILED, ENTRIES } from './bundle.mjs'
import { launcher } from './launcher.mjs'

const OLDEST_NODE = 'node20' // `using` is a syntax error to it

const programs = await Promise.all(Object.keys(ENTRIES).map(made))
const files = [
  ...programs.flat(),
  { path: 'dist/start.cjs', contents: readFileSync('tools/start.cjs') },
  { path: 'bin/polyns', contents: launcher(process.arch), mode: 0o755 },
]
mkdirSync('dist', { recursive: true })
replace(files)

async function made(name) {
  const text = await bundle(name, OLDEST_NODE)
  const id = createHash('sha256').update(text).digest('hex')
  const source = `${text}//${id}\n`
  const program = { path: `dist/${name}.cjs`, contents: source }
  if (!COMPILED.includes(name)) return [program]
  const compiled = Buffer.concat([Buffer.from(id), compile(source, `${name}.cjs`)])
  return [program, { path: `dist/${name}.cache`, contents: compiled }]
}

// With --no-lazy V8 compiles all functions and not only those that run; the flag must be off again when the code is kept,
// since it is for the flags of that moment.
function compile(source, filename) {
  setFlagsFromString('--no-lazy')
  const script = new Script(`(function (exports, require, module, __filename, __dirname) {${source}\n})`, {
    filename,
  })
  setFlagsFromString('--lazy')
  return script.createCachedData()
}

// All are written before the first is put in place: a login meanwhile reads whole files, and hardly ever some of both builds.
function replace(files) {
  const aside = ({ path }) => `${path}.${process.pid}.new`
  try {
    for (const file of files) {
      writeFileSync(aside(file), file.contents)
      if (file.mode !== undefined) chmodSync(aside(file), file.mode)
    }
    for (const file of files) renameSync(aside(file), file.path)
  } finally {
    for (const file of files) rmSync(aside(file), { force: true })
  }
}
