// Compiles a bundle ahead, with the Node that will run it and its switches: NODE FLAGS compile.cjs FROM TO.
// As in tools/build.mjs, all functions and not only those that run, with the flag off again when the code is kept.
const { readFileSync, writeFileSync } = require('node:fs')
const { basename } = require('node:path')
const { setFlagsFromString } = require('node:v8')
const { Script } = require('node:vm')

const [, , from, to] = process.argv
setFlagsFromString('--no-lazy')
const script = new Script(readFileSync(from, 'latin1'), { filename: basename(from) })
setFlagsFromString('--lazy')
writeFileSync(to, script.createCachedData())
