{
  // What bin/polyns.sh runs: the program, compiled already. V8 takes 5 to 10 ms to compile it, at every login; the code that
  // `npm run build` kept in *.cache takes 2. Without one, or with one of another Node or another build, the program is
  // compiled as usual. `polyns pam` is a program of its own, without all that a login does not need.
  // Status 0 is a session that may begin. So a file that was cut off must not end with it: not the program, which ends with
  // its id and sets the status itself, and not this one: half a block is no JavaScript.
  process.exitCode = 1
  const { readFileSync } = require('node:fs')
  const { Script } = require('node:vm')

  const isLogin = process.argv[2] === 'pam' && !process.argv.includes('--help')
  const filename = `${__dirname}/${isLogin ? 'pam' : 'polyns'}.cjs`
  const ID_BYTES = 64

  const source = readFileSync(filename, 'latin1')
  const [, id] = /^\/\/([0-9a-f]{64})\n$/.exec(source.slice(-ID_BYTES - 3)) ?? []
  if (id === undefined) throw new Error(`${filename} is not whole: build polyns again`)

  const readCache = () => {
    try {
      const cache = readFileSync(filename.replace('.cjs', '.cache'))
      // V8 itself compares no more than the length of the source.
      return cache.latin1Slice(0, ID_BYTES) === id ? cache.subarray(ID_BYTES) : undefined
    } catch {
      return undefined
    }
  }

  const script = new Script(`(function (exports, require, module, __filename, __dirname) {${source}\n})`, {
    filename,
    cachedData: readCache(),
  })
  const main = { exports: {} }
  script.runInThisContext()(main.exports, require, main, filename, __dirname)
}
