/*
 * The processes that polyns mount and umount send into the namespaces. A lookup in any of them may hang, in a way that not
 * even a signal ends, so a worker, this program once more, goes from one to the next and tells each result on a pipe. When
 * it is silent for too long it is given up, that namespace is reported, and others go on with the rest.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync, writeSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { markedUid } from '../ns/marker.js'
import { type Errand, Messenger, type Result } from '../propagation/live.js'
import type { Inhabited } from '../propagation/live-find.js'
import { UnsupportedError } from '../sys/errors.js'
import { thisProgram } from '../sys/program.js'
import { sleepMs } from '../sys/sleep.js'
import { EXIT } from './report.js'

/** From the parent to a worker, on its stdin. */
interface Order {
  errand: Errand
  namespaces: Inhabited[]
}

/** From a worker, one a line: that it runs, what it has found on the host, and then a result for each namespace. */
type Message = { started: true } | { what: string } | Result

export type Told = Result & { namespace: Inhabited }

export interface Listener {
  /** What is brought: for people. */
  found: (what: string) => void
  told: (one: Told) => void
}

/** How a worker ended. */
interface End {
  /** It was given up. */
  silent: boolean
  /** It had looked at the host. */
  ready: boolean
  status: number
  /** The namespaces that it has not told of; the first of them is where it ended. */
  rest: Inhabited[]
}

/** How many go on once one has got stuck: the rest may be waiting for the same server. */
const LANES = 8
/** For Node to start on a busy machine. */
const START_MS = 30_000

/** The part of a worker. */
export function work(): void {
  const { errand, namespaces } = JSON.parse(readFileSync(0, 'utf8')) as Order
  const tell = (message: Message) => writeAll(`${JSON.stringify(message)}\n`)
  tell({ started: true })
  using messenger = new Messenger(errand)
  tell({ what: messenger.what })
  for (const namespace of namespaces) tell(messenger.carryOut(namespace))
}

/** Node has made stdout a pipe that does not block: when the parent is slower, there is nothing but to wait for it. */
function writeAll(text: string): void {
  let rest = Buffer.from(text)
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(1, rest))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
      sleepMs(1)
    }
  }
}

/**
 * @returns a status other than 0 when the errand could not begin: the worker has said why on stderr
 * @throws {UnsupportedError} the host's own path does not answer
 */
export async function sendWorkers(
  errand: Errand,
  namespaces: readonly Inhabited[],
  timeoutMs: number,
  listener: Listener,
): Promise<number> {
  const first = await oneWorker({ errand, namespaces: [...namespaces] }, timeoutMs, listener)
  if (!first.ready && first.silent) {
    const needs = `did not answer within ${timeoutMs / 1000} s: the server it comes from may be gone`
    throw new UnsupportedError(`'${errand.path}' on the host`, needs)
  }
  if (!first.ready) return first.status
  const queue = afterReport(first, timeoutMs, listener)
  const size = Math.ceil(queue.length / LANES)
  const lane = async () => {
    while (queue.length > 0) {
      const order = { errand, namespaces: queue.splice(0, size) }
      const end = await oneWorker(order, timeoutMs, { ...listener, found: () => {} })
      queue.push(...afterReport(end, timeoutMs, listener))
    }
  }
  await Promise.all(Array.from({ length: LANES }, lane))
  return EXIT.ok
}

/** Reports the namespace at which a worker ended before its time. @returns those that are still to do */
function afterReport({ silent, status, rest }: End, timeoutMs: number, listener: Listener): Inhabited[] {
  const [namespace, ...others] = rest
  if (namespace === undefined) return []
  const why = silent
    ? `no answer within ${timeoutMs / 1000} s`
    : `the process that was sent there ended with status ${status}`
  listener.told({ outcome: silent ? 'stuck' : 'failed', uid: uidOf(namespace), why, namespace })
  return others
}

async function oneWorker(order: Order, timeoutMs: number, listener: Listener): Promise<End> {
  const { errand, namespaces } = order
  const child = startWorker(errand)
  if (child.stdout === null) throw new Error('a worker without a pipe')
  const lines = createInterface({ input: child.stdout })
  let silent = false
  const giveUp = () => {
    silent = true
    lines.close()
    abandon(child)
  }
  let timer = setTimeout(giveUp, START_MS)
  const ended = new Promise<number>((resolve) => {
    child.once('error', () => resolve(EXIT.failed)).once('exit', (status) => resolve(status ?? EXIT.failed))
  })
  child.stdin?.on('error', () => {}).end(JSON.stringify(order)) // EPIPE: its status tells
  let ready = false
  let done = 0
  for await (const line of lines) {
    clearTimeout(timer)
    const message = JSON.parse(line) as Message
    const namespace = namespaces[done]
    if ('what' in message) {
      ready = true
      listener.found(message.what)
    } else if ('outcome' in message && namespace !== undefined) {
      done++
      listener.told({ ...message, namespace })
    }
    timer = setTimeout(giveUp, timeoutMs)
  }
  const isDone = ready && done === namespaces.length
  const status = isDone || silent ? EXIT.ok : await ended
  clearTimeout(timer)
  return { silent, ready, status, rest: namespaces.slice(done) }
}

function startWorker({ action, path }: Errand): ChildProcess {
  const [file = '', ...words] = thisProgram()
  const argv = [...words, action, '--worker', '--', path]
  return spawn(file, argv, { cwd: '/', stdio: ['pipe', 'pipe', 'inherit'] })
}

/** It may wait in the kernel where no signal reaches it, so nobody waits for it. */
function abandon(child: ChildProcess): void {
  child.kill('SIGKILL')
  child.stdout?.destroy()
  child.stdin?.destroy()
  child.unref()
}

/** Read from outside, which waits for no file system. */
function uidOf({ pids: [pid] }: Inhabited): number | null {
  try {
    return markedUid(`/proc/${pid}`)
  } catch {
    return null // it has just ended
  }
}
