// Bundles src/cli/main.ts to the one file that bin/polyns runs. koffi stays outside: its native part cannot be bundled.
import { chmodSync, readFileSync } from 'node:fs'
import { build } from 'esbuild'

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
await build({
  entryPoints: ['src/cli/main.ts'],
  outfile: 'dist/polyns.cjs',
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node20', // lowers `using`, a syntax error on Node 20
  external: ['koffi'],
  define: { POLYNS_VERSION: JSON.stringify(version), 'import.meta.url': '__filename' },
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'none',
  logLevel: 'warning',
})
chmodSync('dist/polyns.cjs', 0o644)
