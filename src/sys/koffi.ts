/*
 * The one place that loads koffi. Its package entry inspects the running binary to choose between glibc and musl, and Node
 * looks for the package in one directory after the other: 7 ms at every login. Its native file is where npm puts it, beside
 * the bundle; only where it is not does the package have its way. The single executable has it beside itself, or ends.
 */
import { isExecutable, shippedPath } from './program.js'

type Koffi = typeof import('koffi')

declare const KOFFI_VERSION: string

const NATIVE = `node_modules/@koromix/koffi-linux-${process.arch}/linux_${process.arch}/koffi.node`

function loadKoffi(): Koffi {
  // The version is in its name: while an upgrade replaces one file after the other, each executable finds its own.
  if (isExecutable) return loadFile(shippedPath(`koffi-${KOFFI_VERSION}.node`))
  try {
    return loadFile(shippedPath(NATIVE))
  } catch {
    return process.getBuiltinModule('node:module').createRequire(import.meta.url)('koffi') as Koffi
  }
}

function loadFile(path: string): Koffi {
  const module = { exports: {} }
  process.dlopen(module, path)
  return module.exports as Koffi
}

export const koffi = loadKoffi()
/** The symbols of this very process: libc and what the dynamic linker brought with it. */
export const libc = koffi.load(null)
