/*
 * The one place that loads koffi. Its package entry inspects the running binary to choose between glibc and musl, which
 * costs 6 ms at every login; the native file itself is opened first, and the entry only where that fails.
 */
import { createRequire } from 'node:module'

type Koffi = typeof import('koffi')

const load = createRequire(import.meta.url)

function loadKoffi(): Koffi {
  try {
    return load(`@koromix/koffi-linux-${process.arch}/linux_${process.arch}/koffi.node`) as Koffi
  } catch {
    return load('koffi') as Koffi
  }
}

export const koffi = loadKoffi()
/** The symbols of this very process: libc and what the dynamic linker brought with it. */
export const libc = koffi.load(null)
