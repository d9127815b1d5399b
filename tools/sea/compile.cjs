// Compiles bundles ahead, with the Node that will run them: NODE FLAGS compile.cjs FROM TO, twice two files or more.
// As in tools/build.mjs, all functions and not only those that run, with the flag off again when the code is kept.
const { readFileSync, writeFileSync } = require('node:fs')
const { basename } = require('node:path')
const { setFlagsFromString } = require('node:v8')
const { Script } = require('node:vm')

const [, , ...files] = process.argv
for (let i = 0; i < files.length; i += 2) {
  setFlagsFromString('--no-lazy')
  const script = new Script(readFileSync(files[i], 'latin1'), { filename: basename(files[i]) })
  setFlagsFromString('--lazy')
  writeFileSync(files[i + 1], script.createCachedData())
}
