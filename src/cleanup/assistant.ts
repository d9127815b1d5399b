/*
 * A second thread that clears the same tree from its other end. Removal is the kernel's work, one call after the other, so
 * two of them on two processors take little more than half of the time. To the first the second is one more process that
 * removes things meanwhile: it needs no order between them, and what the second leaves the first finds.
 */
import { existsSync } from 'node:fs'
import type { Fd } from '../sys/fd.js'
import { os, sea, workerThreads } from '../sys/lazy.js'
import { isExecutable } from '../sys/program.js'

/** What both threads know of each other: an Int32Array over shared memory. */
export const SHARED = { state: 0, stop: 1, removed: 2, size: 3 } as const
export const STATE = { starting: 0, working: 1, done: 2, unwanted: 3 } as const

export interface AssistantData {
  shared: Int32Array
  /** The number of the tree's open directory; it stays open until the state is `done` or `unwanted`. */
  top: number
  /** Of monotonicMs(). */
  deadline: number
}

export interface Assistant {
  /** Ends it, and waits for that. @returns how many entries it has removed */
  stop(): number
}

/** @returns null where there is no second processor, or the program is not installed as a whole */
export function startAssistant(top: Fd, deadline: number): Assistant | null {
  // In a bundle, import.meta.url is the path of its file: dist/*.cjs.
  const path = import.meta.url.replace(/^file:\/\//, '').replace(/[^/]*$/, 'assistant.cjs')
  if (os().availableParallelism() < 2 || !(isExecutable || existsSync(path))) return null
  const shared = new Int32Array(new SharedArrayBuffer(4 * SHARED.size))
  const workerData: AssistantData = { shared, top: top.number, deadline }
  const { Worker } = workerThreads()
  // Its output is not passed on: for that Node would open streams here.
  const options = { workerData, env: {}, execArgv: [], stdout: true, stderr: true }
  const worker = isExecutable
    ? new Worker(textWithin(path), { ...options, eval: true })
    : new Worker(path, options)
  worker.unref()
  worker.on('error', () => undefined) // the first thread does all of the work then
  return { stop: () => stop(shared) }
}

/** In the single executable it is no file, but a text that is run as that file would be. */
function textWithin(path: string): string {
  const source = sea().getAsset('assistant.cjs', 'latin1')
  return `(function (require, __filename) {${source}\n})(require, ${JSON.stringify(path)})`
}

function stop(shared: Int32Array): number {
  const { starting, working, unwanted } = STATE
  if (Atomics.compareExchange(shared, SHARED.state, starting, unwanted) === starting) return 0
  Atomics.store(shared, SHARED.stop, 1)
  Atomics.wait(shared, SHARED.state, working)
  return Atomics.load(shared, SHARED.removed)
}
