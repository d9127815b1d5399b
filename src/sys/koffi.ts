/*
 * The one place that loads koffi. Its package entry inspects the running binary to choose between glibc and musl, and Node
 * looks for the package in one directory after the other: 7 ms at every login. Its native file is where npm puts it, beside
 * the bundle; only where it is not does the package have its way.
 */
import { createRequire } from 'node:module'

type Koffi = typeof import('koffi')

const NATIVE = `@koromix/koffi-linux-${process.arch}/linux_${process.arch}/koffi.node`

function loadKoffi(): Koffi {
  // In a bundle, import.meta.url is the path of its file: dist/*.cjs.
  const beside = import.meta.url.replace(/[^/]*$/, `../node_modules/${NATIVE}`)
  try {
    const module = { exports: {} }
    process.dlopen(module, beside)
    return module.exports as Koffi
  } catch {
    return createRequire(import.meta.url)('koffi') as Koffi
  }
}

export const koffi = loadKoffi()
/** The symbols of this very process: libc and what the dynamic linker brought with it. */
export const libc = koffi.load(null)
