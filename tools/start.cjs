// What bin/polyns runs: the program, compiled already. V8 takes 5 to 10 ms to compile it, at every login; the code that
// `npm run build` kept in *.cache takes 2. Without one, or with one of another Node or another build, the program is
// compiled as usual. `polyns pam` is a program of its own, without all that a login does not need; polyns.cjs can do it too.
'use strict'
const { readFileSync } = require('node:fs')
const { Script } = require('node:vm')

const isLogin = process.argv[2] === 'pam' && !process.argv.includes('--help')
const filename = `${__dirname}/${isLogin ? 'pam' : 'polyns'}.cjs`
const ID_BYTES = 64

function readCache(source) {
  try {
    const cache = readFileSync(filename.replace('.cjs', '.cache'))
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
script.runInThisContext()(main.exports, require, main, filename, __dirname)
