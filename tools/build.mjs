// Bundles the program to dist/polyns.cjs, the part that logins need to dist/pam.cjs, and the thread that helps to remove
// trees to dist/assistant.cjs, and compiles them ahead.
// koffi stays outside: its native part cannot be bundled.
import { createHash } from 'node:crypto'
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { Script } from 'node:vm'
import { build } from 'esbuild'

const { version } = JSON.parse(readFileSync('package.json', 'utf8'))
mkdirSync('dist', { recursive: true })
await bundle('src/cli/main.ts', 'polyns')
await bundle('src/cli/login.ts', 'pam')
await bundle('src/cleanup/assistant-thread.ts', 'assistant', { cache: false }) // a thread has no way to use one
copyFileSync('tools/start.cjs', 'dist/start.cjs')

async function bundle(entry, name, { cache } = { cache: true }) {
  const { outputFiles } = await build({
    entryPoints: [entry],
    write: false,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20', // lowers `using`, a syntax error on Node 20
    external: ['koffi'],
    define: { POLYNS_VERSION: JSON.stringify(version), 'import.meta.url': '__filename' },
    charset: 'ascii', // tools/start.cjs reads it as latin1, which is three times as fast
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: 'none',
    logLevel: 'warning',
  })
  const [{ contents, text }] = outputFiles
  const id = createHash('sha256').update(contents).digest('hex')
  const source = `${text}//${id}\n`
  writeFileSync(`dist/${name}.cjs`, source)
  if (cache)
    writeFileSync(`dist/${name}.cache`, Buffer.concat([Buffer.from(id), compile(source, `${name}.cjs`)]))
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
