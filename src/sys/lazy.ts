/* Parts of Node that take milliseconds to load and that most sessions do not need. */
import { libc } from './koffi.js'
import { isExecutable } from './program.js'

declare const LOGIN_SWITCH: string
declare const SWITCHES_BACK: string

const load = (name: string): unknown => process.getBuiltinModule(name)

/** node:os, 0.15 ms. */
export function os(): typeof import('node:os') {
  return load('node:os') as typeof import('node:os')
}

/** node:child_process, 2 ms. */
export function childProcess(): typeof import('node:child_process') {
  useAllOfV8()
  return load('node:child_process') as typeof import('node:child_process')
}

/** node:worker_threads, 2 ms. */
export function workerThreads(): typeof import('node:worker_threads') {
  useAllOfV8()
  return load('node:worker_threads') as typeof import('node:worker_threads')
}

/** node:sea: what the single executable has in it. */
export function sea(): typeof import('node:sea') {
  return load('node:sea') as typeof import('node:sea')
}

/** Hex digest for names that are too long for a directory, as pam_namespace makes it. node:crypto, 2 ms. */
export function md5(text: string): string {
  const { createHash } = load('node:crypto') as typeof import('node:crypto')
  return createHash('md5').update(text).digest('hex')
}

/**
 * In the single executable a login runs with V8's switches set for a short life (tools/sea/switches.mjs). Where more is to be
 * done they are taken back: what runs often is compiled then, and Node's modules are again the compiled ones that come with it,
 * without which child_process takes 9 ms. By V8's own function, since to load node:v8 takes as long.
 */
function useAllOfV8(): void {
  if (!isExecutable || !process.execArgv.includes(LOGIN_SWITCH)) return
  libc.func('_ZN2v82V818SetFlagsFromStringEPKc', 'void', ['str'])(SWITCHES_BACK)
}
