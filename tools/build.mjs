// Bundles the program to dist/polyns.cjs, the part that logins need to dist/pam.cjs, and the thread that helps to remove
// trees to dist/assistant.cjs, and compiles them ahead; and makes bin/polyns, which the PAM lines start.
// koffi stays outside: its native part cannot be bundled.
import { createHash } from 'node:crypto'
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { Script } from 'node:vm'
import { build } from 'esbuild'
import { launcher } from './launcher.mjs'

const { version, dependencies } = JSON.parse(readFileSync('package.json', 'utf8'))
const files = [
  ...(await bundle('src/cli/main.ts', 'polyns')),
  ...(await bundle('src/cli/login.ts', 'pam')),
  ...(await bundle('src/cleanup/assistant-thread.ts', 'assistant', { cache: false })), // a thread has no way to use one
  { path: 'dist/start.cjs', contents: readFileSync('tools/start.cjs') },
  { path: 'bin/polyns', contents: launcher(process.arch), mode: 0o755 },
]
mkdirSync('dist', { recursive: true })
replace(files)

async function bundle(entry, name, { cache } = { cache: true }) {
  const { outputFiles } = await build({
    entryPoints: [entry],
    write: false,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20', // lowers `using`, a syntax error on Node 20
    external: ['koffi'],
    define: {
      POLYNS_VERSION: JSON.stringify(version),
      KOFFI_VERSION: JSON.stringify(dependencies.koffi),
      'import.meta.url': '__filename',
    },
    charset: 'ascii', // tools/start.cjs reads it as latin1, which is three times as fast
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: 'none',
    logLevel: 'warning',
  })
  const [{ contents, text }] = outputFiles
  const id = createHash('sha256').update(contents).digest('hex')
  const source = `${text}//${id}\n`
  const program = { path: `dist/${name}.cjs`, contents: source }
  if (!cache) return [program]
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
