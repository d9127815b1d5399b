/*
 * One child process: its output collected, its time bounded. On the time limit everything below it is ended by pid, also
 * what has left its process group.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { killTree } from './proc.js'

export interface Result {
  /** Exit status; null when a signal ended it. */
  status: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
  timedOut: boolean
  /** The command ended, but something that it left behind still holds its stdout or stderr. */
  heldOpen: boolean
}

export interface Running {
  readonly child: ChildProcess
  /** What it has written so far. */
  readonly stdout: string
  readonly stderr: string
  readonly exited: Promise<Result>
  /** Resolves with the match once stdout (or stderr) has it; rejects when it ends before or the time is over. */
  waitFor(pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray>
}

// Whoever started the tests may have left descriptors open in them, which Node hands on: a hook would seem to have one too many.
const CLEAN = `for fd in /proc/$$/fd/*; do
  fd=\${fd##*/}
  case $fd in 0 | 1 | 2) ;; *) eval "exec $fd>&-" ;; esac
done
exec env -i "$@"`

/** @param env all of it: nothing of this process's environment is handed on */
export function start(
  argv: readonly string[],
  options: {
    env: Record<string, string>
    input?: string | 'pipe' | undefined
    timeoutMs?: number | undefined
  },
): Running {
  // Not by spawn's `env`: tap adds its own NODE_OPTIONS to that, and Node inside would not be plain Node.
  const child = spawn('bash', ['-c', CLEAN, 'run', ...pairs(options.env), ...argv], {
    cwd: '/',
    detached: true, // its own session: nothing in it may use the terminal of who runs the tests
    stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  let timedOut = false
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
    child.emit('output')
  })
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
    child.emit('output')
  })
  if (child.stdin) {
    child.stdin.on('error', () => {}) // EPIPE: the command does not read its input, which is its own affair
    if (options.input !== undefined && options.input !== 'pipe') child.stdin.end(options.input)
  }
  const timer =
    options.timeoutMs === undefined
      ? undefined
      : setTimeout(() => {
          timedOut = true
          if (child.pid) killTree(child.pid)
        }, options.timeoutMs)

  const finish = async (): Promise<Result> => {
    const closed = once(child, 'close').then(() => true)
    const [status, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null]
    clearTimeout(timer)
    const heldOpen = !(await within(300, closed))
    if (heldOpen) {
      child.stdout?.destroy()
      child.stderr?.destroy()
    }
    return { status, signal, stdout, stderr, timedOut, heldOpen }
  }
  const exited = finish()
  // A test that throws without `stop` must not hang: what still runs does not keep this process alive, it ends with it.
  child.unref()
  for (const stream of [child.stdin, child.stdout, child.stderr]) (stream as Socket | null)?.unref()
  exited.catch(() => {}) // reported where it is awaited

  return {
    child,
    get stdout() {
      return stdout
    },
    get stderr() {
      return stderr
    },
    get exited() {
      child.ref() // who waits for it wants this process to live until then
      return exited
    },
    async waitFor(pattern, timeoutMs = 10_000) {
      const deadline = Date.now() + timeoutMs
      let ended = false
      exited
        .finally(() => {
          ended = true
          child.emit('output')
        })
        .catch(() => {})
      for (;;) {
        const match = pattern.exec(stdout) ?? pattern.exec(stderr)
        if (match) return match
        const left = deadline - Date.now()
        if (ended || left <= 0) {
          throw new Error(
            `${ended ? 'ended' : `${timeoutMs} ms passed`} without ${pattern}\n${show(argv, stdout, stderr)}`,
          )
        }
        await within(left, once(child, 'output'))
      }
    },
  }
}

export function pairs(env: Record<string, string>): string[] {
  return Object.entries(env).map(([name, value]) => `${name}=${value}`)
}

/** A command and both its outputs, for the message of an error. */
export function show(argv: readonly string[], stdout: string, stderr: string): string {
  return `command: ${argv.join(' ')}\nstdout: ${stdout.trimEnd()}\nstderr: ${stderr.trimEnd()}`
}

export function sleep(ms: number): Promise<void> {
  return new Promise((r) => setTimeout(r, ms))
}

/** What `promise` gives, or undefined if that takes longer. The timer does not keep the process alive. */
export async function within<T>(ms: number, promise: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>((r) => {
    timer = setTimeout(r, ms, undefined)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}
