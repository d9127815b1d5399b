// Compiles a main program of a single executable ahead as Node itself does, but more of its functions than what runs at once:
// NODE FLAGS compile-some.cjs FROM TO PLACES, JSON with the lines and columns of those functions. V8 compiles a function when it is
// told to stop in it; that is done before the program is read, so it happens in between, and what is kept has no trace of it.
const { readFileSync, writeFileSync } = require('node:fs')
const { Session } = require('node:inspector')
const { basename } = require('node:path')
const { compileFunction } = require('node:vm')

const [, , from, to, places] = process.argv
const filename = basename(from)
const session = new Session()
session.connect()
const post = (method, parameters) =>
  session.post(method, parameters, (error) => {
    if (error) throw new Error(`${method}: ${error.message}`)
  })
post('Debugger.enable')
for (const place of JSON.parse(readFileSync(places)))
  post('Debugger.setBreakpointByUrl', { url: filename, ...place })
const parameters = ['exports', 'require', 'module', '__filename', '__dirname'] // as Node's, or the code is not taken
const { cachedData } = compileFunction(readFileSync(from, 'latin1'), parameters, {
  filename,
  produceCachedData: true,
})
writeFileSync(to, cachedData)
