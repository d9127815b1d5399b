/* Parts of Node that take milliseconds to load and that most sessions do not need. */
import { createRequire } from 'node:module'

const load = (name: string): unknown => createRequire(import.meta.url)(name)

/** node:os, 0.15 ms. */
export function os(): typeof import('node:os') {
  return load('node:os') as typeof import('node:os')
}

/** node:child_process, 5 ms. */
export function childProcess(): typeof import('node:child_process') {
  return load('node:child_process') as typeof import('node:child_process')
}

/** node:worker_threads, 2 ms. */
export function workerThreads(): typeof import('node:worker_threads') {
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
