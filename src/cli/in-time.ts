/*
 * A command that only looks, but at paths that may hang, in a way that not even a signal ends. So a process of its own does the
 * looking, this program once more, and tells on a pipe what it is about to look at. What it prints goes through this one:
 * when it is given up, nothing that it still holds may keep a terminal or a pager waiting.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeSync } from 'node:fs'
import { noteCalls, quote } from '../sys/call.js'
import { UnsupportedError } from '../sys/errors.js'
import { thisProgram } from '../sys/program.js'
import type { Io } from './io.js'
import { EXIT } from './report.js'

/** Says to the process that is started that it is the one, and whether to use colour. */
export const LOOKER = '--looker <COLOR>'

/** The descriptor on which that one tells. */
const NOTES = 3

export interface InTime {
  /** For messages: `polyns explain`. */
  what: string
  timeoutMs: number
}

/**
 * Runs the command line of this process in another one.
 * @returns its exit status
 * @throws {UnsupportedError} it did not end in time; with what it was at
 */
export async function inTime({ what, timeoutMs }: InTime, io: Io): Promise<number> {
  const [file = '', ...words] = thisProgram()
  const argv = [...words, ...process.argv.slice(2), '--looker', io.color ? 'color' : 'plain']
  const child = spawn(file, argv, { stdio: ['ignore', 'pipe', 'pipe', 'pipe'] })
  child.stdout?.setEncoding('utf8').on('data', io.out)
  child.stderr?.setEncoding('utf8').on('data', io.err)
  let at = ''
  child.stdio[NOTES]?.on('data', (text: Buffer) => {
    at = text.toString().split('\n').at(-2) ?? at
  })
  const ended = once(child, 'close') as Promise<[number | null]>
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(resolve, timeoutMs, null)
  })
  const end = await Promise.race([ended, late]).finally(() => clearTimeout(timer))
  if (end !== null) return end[0] ?? EXIT.failed
  abandon(child)
  const step = at === '' ? '' : `. It was at: ${at}; the server of that file system may be gone`
  throw new UnsupportedError(what, `not done within ${timeoutMs / 1000} s${step}`)
}

/** The part of the other process. */
export function tellWhere(): void {
  noteCalls((call, on) => {
    try {
      writeSync(NOTES, `${call} ${quote(String(on))}\n`)
    } catch {
      // EAGAIN, EPIPE: nobody has read it yet, or ever will
    }
  })
}

/** It may wait in the kernel where no signal reaches it, so nobody waits for it. */
function abandon(child: ChildProcess): void {
  child.kill('SIGKILL')
  for (const stream of child.stdio) stream?.destroy()
  child.unref()
}
