// What bin/polyns runs: dist/polyns.cjs, compiled already. V8 takes 5 to 10 ms to compile it, at every login; the code
// that `npm run build` kept in polyns.cache takes 2. Without one, or with one of another Node or another build, the program
// is compiled as usual.
'use strict'
const { readFileSync } = require('node:fs')
const { createRequire } = require('node:module')
const { Script } = require('node:vm')

const filename = `${__dirname}/polyns.cjs`
const ID_BYTES = 64

function readCache(source) {
  try {
    const cache = readFileSync(`${__dirname}/polyns.cache`)
    // V8 itself compares no more than the length of the source.
    const id = cache.latin1Slice(0, ID_BYTES)
    return source.endsWith(`//${id}\n`) ? cache.subarray(ID_BYTES) : undefined
  } catch {
    return undefined
  }
}

const source = readFileSync(filename, 'latin1')
const script = new Script(`(function (exports, require, module, __filename, __dirname) {${source}\n})`, {
  filename,
  cachedData: readCache(source),
})
const main = { exports: {} }
script.runInThisContext()(main.exports, createRequire(filename), main, filename, __dirname)
