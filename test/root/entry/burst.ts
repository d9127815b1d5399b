/*
 * Starts many commands at the same moment, inside a sandbox, and tells how each one ended. Each waits in a shell for the others:
 * on a busy machine the first would be over before the last has begun.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeSync } from 'node:fs'

export interface BurstCall {
  commands: string[][]
}

export interface BurstReport {
  /** From the moment at which all were let go. */
  totalMs: number
  results: { status: number | null; stdout: string; stderr: string; ms: number }[]
}

const { commands }: BurstCall = JSON.parse(process.argv[2] ?? '{}')
let start = 0
const since = () => Math.round(performance.now() - start)

void main()

async function main(): Promise<void> {
  const all = commands.map((argv) =>
    spawn('/bin/sh', ['-c', 'read _; exec "$@" </dev/null', 'sh', ...argv], { stdio: 'pipe' }),
  )
  const results = Promise.all(all.map(watch))
  start = performance.now()
  for (const one of all) one.stdin.end('go\n')
  await results
  const report: BurstReport = { totalMs: since(), results: await results }
  const text = Buffer.from(JSON.stringify(report))
  for (let at = 0; at < text.length; ) at += writeSync(1, text, at)
}

async function watch(child: ChildProcessWithoutNullStreams): Promise<BurstReport['results'][number]> {
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const [status] = (await once(child, 'close')) as [number | null]
  return { status, stdout, stderr, ms: since() }
}
