// The program's bundles: each one file with all that it imports, but for koffi, whose native part cannot be bundled.
import { readFileSync } from 'node:fs'
import { build } from 'esbuild'
import { BACK, LOGIN_FLAGS } from './sea/switches.mjs'

const { version, dependencies } = JSON.parse(readFileSync('package.json', 'utf8'))

/** By the name of its file: the program, the part that logins need, and the thread that helps to remove trees. */
export const ENTRIES = {
  polyns: 'src/cli/main.ts',
  pam: 'src/cli/login.ts',
  assistant: 'src/cleanup/assistant-thread.ts',
}
/** What the single executable has instead of `pam`. */
const PARTS = { open: 'src/cli/login-open.ts', close: 'src/cli/login-close.ts' }
/** Those that are compiled ahead; a thread has no way to use such code. */
export const COMPILED = ['polyns', 'pam']

/** @param target for esbuild, the Node that is to run it @returns {Promise<string>} its text, all of it ASCII */
export async function bundle(name, target) {
  const { outputFiles } = await build({
    entryPoints: [{ ...ENTRIES, ...PARTS }[name]],
    write: false,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target,
    external: ['koffi'],
    supported: { using: target === 'node24' },
    define: {
      POLYNS_VERSION: JSON.stringify(version),
      KOFFI_VERSION: JSON.stringify(dependencies.koffi),
      LOGIN_SWITCH: JSON.stringify(LOGIN_FLAGS[0]),
      SWITCHES_BACK: JSON.stringify(BACK),
      'import.meta.url': '__filename',
    },
    charset: 'ascii', // it is read as latin1, which is three times as fast
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: 'none',
    logLevel: 'warning',
  })
  return outputFiles[0].text
}
