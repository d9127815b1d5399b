/*
 * Runs parts of polyns itself inside a sandbox, without a login: a module of test/root/entry, bundled, as a program of its own.
 * It is given one JSON argument and prints one JSON value.
 */
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import type { RunOptions } from './enter.js'
import type { Sandbox } from './sandbox.js'

/** Puts test/root/entry/NAME.ts into the sandbox. @returns its path there, an executable */
export async function install(box: Sandbox, name: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL(`../root/entry/${name}.ts`, import.meta.url))],
    write: false,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    external: ['koffi'],
    // Where koffi is looked for.
    define: { 'import.meta.url': JSON.stringify('file:///opt/polyns/dist/entry.cjs') },
    banner: { js: '#!/usr/bin/env node' },
    logLevel: 'warning',
  })
  const path = `/usr/local/lib/polyns-test/${name}.cjs`
  await box.write(path, outputFiles[0]?.text ?? '', 0o755)
  return path
}

/** Runs what `install` gave. @throws {Error} with what it wrote, when it fails */
export async function call<T>(
  box: Sandbox,
  path: string,
  argument: unknown,
  options: RunOptions = {},
): Promise<T> {
  const out = await box.sh([path, JSON.stringify(argument)], { timeoutMs: 60_000, ...options })
  return JSON.parse(out) as T
}
