// Bundles src/cli/main.ts to the one file that bin/polyns runs, dist/polyns.cjs, and compiles it ahead. koffi stays outside:
// its native part cannot be bundled.
import { createHash } from 'node:crypto'
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { Script } from 'node:vm'
import { build } from 'esbuild'

const { version } = JSON.parse(readFileSync('package.json', 'utf8'))
const { outputFiles } = await build({
  entryPoints: ['src/cli/main.ts'],
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
const [bundle] = outputFiles
const id = createHash('sha256').update(bundle.contents).digest('hex')
const source = `${bundle.text}//${id}\n`

// With --no-lazy V8 compiles all functions and not only those that run; the flag must be off again when the code is kept,
// since it is for the flags of that moment.
setFlagsFromString('--no-lazy')
const script = new Script(`(function (exports, require, module, __filename, __dirname) {${source}\n})`, {
  filename: 'polyns.cjs',
})
setFlagsFromString('--lazy')

mkdirSync('dist', { recursive: true })
writeFileSync('dist/polyns.cjs', source)
writeFileSync('dist/polyns.cache', Buffer.concat([Buffer.from(id), script.createCachedData()]))
copyFileSync('tools/start.cjs', 'dist/start.cjs')
