// npm run bench: what removing a tree costs, side by side with `rm -rf`, on a tmpfs and on the disk of this checkout.
// Runs as root in a mount namespace of its own. In turns, who begins changes every round; both find the same tree.
import { spawnSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { arch, cpus, release } from 'node:os'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const checkout = fileURLToPath(new URL('..', import.meta.url))
const self = fileURLToPath(import.meta.url)
const rounds = Number(process.env.ROUNDS ?? 7)
const trees = {
  '200,000 files in 2,000 directories': { directories: 2000, files: 100, depth: 0 },
  'one directory in the other, 5,000 deep': { directories: 0, files: 0, depth: 5000 },
}

if (process.argv[2] === 'make') make(process.argv[3], JSON.parse(process.argv[4]))
else if (process.argv[2] === 'inside') await bench()
else {
  if (process.geteuid() !== 0) {
    console.error('bench: needs root, to mount a tmpfs')
    process.exit(1)
  }
  const namespaces = '--mount --pid --fork --kill-child=KILL --mount-proc --propagation private --'.split(' ')
  const inside = ['--pdeathsig', 'KILL', '--', 'unshare', ...namespaces, process.execPath, self, 'inside']
  process.exit(spawnSync('setpriv', inside, { stdio: 'inherit' }).status ?? 1)
}

async function bench() {
  const disk = `${checkout}.cache/bench`
  rmSync(disk, { recursive: true, force: true }) // of a bench that was killed
  mkdirSync(disk, { recursive: true })
  try {
    run('mount', '-t', 'tmpfs', '-o', 'mode=755', 'bench', '/mnt')
    const program = `/mnt/remove.cjs`
    writeFileSync(program, await bundle())
    mkdirSync('/mnt/tree')
    const cpu = /^model name\s*: (.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? arch()
    console.log(
      `Node ${process.version}, Linux ${release()}, ${cpus().length} x ${cpu}, ${rounds} rounds in turn, milliseconds`,
    )
    for (const [place, where] of [
      ['tmpfs', '/mnt/tree'],
      ['disk', disk],
    ]) {
      for (const [name, tree] of Object.entries(trees)) {
        console.log(`\n${place}: ${name}`)
        print(measure(where, tree, program))
      }
    }
  } finally {
    rmSync(disk, { recursive: true, force: true })
  }
}

/** The function as a program, which prints how long the removal itself took. */
async function bundle() {
  const contents = `
    import { removeTree } from './src/cleanup/remove.js'
    import { openat2 } from './src/sys/path.js'
    const parent = openat2(null, process.argv[2], ${0o10000000 | 0o200000}, 0) // O_PATH|O_DIRECTORY
    const start = process.hrtime.bigint()
    const { left, complete } = removeTree(parent, process.argv[3], { deadline: Date.now() + 600_000 })
    if (left.length > 0 || !complete) throw new Error(JSON.stringify(left))
    console.log(Number(process.hrtime.bigint() - start) / 1e6)`
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: checkout },
    write: false,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    external: ['koffi'],
    define: { 'import.meta.url': JSON.stringify(`file://${checkout}dist/remove.cjs`) },
  })
  return outputFiles[0].contents
}

/** Below `where/NAME`, with empty files, by short names: a process of its own, since it changes its directory. */
function make(where, { directories, files, depth }) {
  mkdirSync(where)
  process.chdir(where)
  for (let d = 0; d < directories; d++) {
    mkdirSync(`${d}`)
    for (let f = 0; f < files; f++) closeSync(openSync(`${d}/file-${f}`, 'w'))
  }
  for (let d = 0; d < depth; d++) {
    mkdirSync('d')
    process.chdir('d')
  }
}

function measure(where, tree, program) {
  const times = { 'rm -rf': [], 'polyns, the program': [], 'polyns, the removal itself': [] }
  const turns = [
    () => times['rm -rf'].push(time(where, tree, ['rm', '-rf', `${where}/tree`]).ms),
    () => {
      const { ms, stdout } = time(where, tree, [process.execPath, program, where, 'tree'])
      times['polyns, the program'].push(ms)
      times['polyns, the removal itself'].push(Number(stdout))
    },
  ]
  for (let i = 0; i < rounds; i++) {
    for (const turn of turns) turn()
    turns.reverse()
  }
  return times
}

function time(where, tree, command) {
  run(process.execPath, self, 'make', `${where}/tree`, JSON.stringify(tree))
  run('sync', '-f', where) // or the one would wait for what the other has left to write
  const start = process.hrtime.bigint()
  const stdout = run(...command)
  return { ms: Number(process.hrtime.bigint() - start) / 1e6, stdout }
}

function run(command, ...args) {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`'${command} ${args.join(' ')}' gave status ${status}: ${stderr}`)
  return stdout
}

function print(times) {
  console.log(
    `${'what'.padEnd(32)} ${'min'.padStart(8)} ${'median'.padStart(8)} ${'max'.padStart(8)}   ratio, median of pairs`,
  )
  for (const [name, values] of Object.entries(times)) {
    const ratios = values.map((value, i) => value / times['rm -rf'][i])
    const figures = [Math.min(...values), median(values), Math.max(...values)].map((v) =>
      v.toFixed(1).padStart(8),
    )
    console.log(`${name.padEnd(32)} ${figures.join(' ')}   ${median(ratios).toFixed(3)}`)
  }
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
