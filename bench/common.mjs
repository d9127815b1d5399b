// What the benches share: namespaces of their own, TypeScript as a program, figures in columns.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { arch, cpus, release } from 'node:os'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

export const checkout = fileURLToPath(new URL('..', import.meta.url))
/** The program as a login starts it, but for the launcher; needs `npm run build`. */
export const polyns = `${process.execPath} ${checkout}dist/start.cjs`

/**
 * Runs the bench `url` once more, as pid 1 of a pid namespace and in a mount namespace of its own, and ends with it: all
 * processes and mounts of a bench go with it, however it ends. Returns in that one.
 */
export function enclose(url) {
  if (process.env.POLYNS_BENCH === 'inside') return
  if (process.geteuid() !== 0) {
    console.error('bench: needs root, to make namespaces')
    process.exit(1)
  }
  const namespaces = '--mount --pid --fork --kill-child=KILL --mount-proc --propagation private --'.split(' ')
  const again = ['--pdeathsig', 'KILL', '--', 'unshare', ...namespaces, process.execPath, fileURLToPath(url)]
  const env = { ...process.env, POLYNS_BENCH: 'inside' }
  process.exit(spawnSync('setpriv', again, { stdio: 'inherit', env }).status ?? 1)
}

/** stdout of a shell command. @throws when it fails */
export function sh(text, options = {}) {
  const { status, stdout, stderr } = spawnSync('/bin/sh', ['-c', text], {
    cwd: checkout,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
    ...options,
  })
  if (status !== 0) throw new Error(`'${text}' gave status ${status}: ${stdout ?? ''}${stderr ?? ''}`)
  return stdout ?? ''
}

/** Milliseconds that `run` takes, and what it gives. */
export function time(run) {
  const start = process.hrtime.bigint()
  const result = run()
  return { ms: Number(process.hrtime.bigint() - start) / 1e6, result }
}

/** The text of a program in CommonJS, from TypeScript that imports from `./src`. */
export async function bundle(contents) {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: checkout },
    write: false,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    external: ['koffi'],
    // Where koffi, and the thread that helps to remove, are looked for.
    define: { 'import.meta.url': JSON.stringify(`file://${checkout}dist/bench.cjs`) },
  })
  return outputFiles[0].text
}

export function printMachine(what) {
  const cpu = /^model name\s*: (.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? arch()
  console.log(
    `Node ${process.version}, Linux ${release()}, ${cpus().length} x ${cpu}, ${what}, milliseconds\n`,
  )
}

/** A line for each list of milliseconds; with `baseline`, the name of one of them, the ratio of each pair to it. */
export function printTimes(times, baseline) {
  const ratioHead = baseline === undefined ? '' : '   ratio, median of pairs'
  console.log(
    `${'what'.padEnd(32)} ${['min', 'median', 'max'].map((h) => h.padStart(8)).join(' ')}${ratioHead}`,
  )
  for (const [name, values] of Object.entries(times)) {
    const figures = [Math.min(...values), median(values), Math.max(...values)].map((v) =>
      v.toFixed(1).padStart(8),
    )
    const ratio =
      baseline === undefined ? '' : `   ${median(values.map((v, i) => v / times[baseline][i])).toFixed(3)}`
    console.log(`${name.padEnd(32)} ${figures.join(' ')}${ratio}`)
  }
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
