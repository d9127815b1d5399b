// npm run bench: what removing a tree costs, side by side with `rm -rf`, on a tmpfs and on the disk of this checkout.
// In turns, who begins changes every round; both find the same tree.
import { spawnSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { bundle, checkout, enclose, printMachine, printTimes, time } from './common.mjs'

const self = fileURLToPath(import.meta.url)
const rounds = Number(process.env.ROUNDS ?? 7)
const trees = {
  '200,000 files in 2,000 directories': { directories: 2000, files: 100, depth: 0 },
  'one directory in the other, 5,000 deep': { directories: 0, files: 0, depth: 5000 },
}

/** The function as a program, which prints how long the removal itself took. */
const PROGRAM = `
  import { removeTree } from './src/cleanup/remove.js'
  import { monotonicMs } from './src/sys/clock.js'
  import { openat2 } from './src/sys/path.js'
  const parent = openat2(null, process.argv[2], ${0o10000000 | 0o200000}, 0) // O_PATH|O_DIRECTORY
  const start = process.hrtime.bigint()
  const { left, complete } = removeTree(parent, process.argv[3], { deadline: monotonicMs() + 600_000 })
  if (left.length > 0 || !complete) throw new Error(JSON.stringify(left))
  console.log(Number(process.hrtime.bigint() - start) / 1e6)`

if (process.argv[2] === 'make') {
  make(process.argv[3], JSON.parse(process.argv[4]))
} else {
  enclose(import.meta.url)
  await bench()
}

async function bench() {
  const disk = `${checkout}.cache/bench`
  rmSync(disk, { recursive: true, force: true }) // of a bench that was killed
  mkdirSync(disk, { recursive: true })
  try {
    run('mount', '-t', 'tmpfs', '-o', 'mode=755', 'bench', '/mnt')
    const program = '/mnt/remove.cjs'
    writeFileSync(program, await bundle(PROGRAM))
    mkdirSync('/mnt/tree')
    printMachine(`${rounds} rounds in turn`)
    for (const [place, where] of [
      ['tmpfs', '/mnt/tree'],
      ['disk', disk],
    ]) {
      for (const [name, tree] of Object.entries(trees)) {
        console.log(`\n${place}: ${name}`)
        printTimes(measure(where, tree, program), 'rm -rf')
      }
    }
  } finally {
    rmSync(disk, { recursive: true, force: true })
  }
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
    () => times['rm -rf'].push(removal(where, tree, ['rm', '-rf', `${where}/tree`]).ms),
    () => {
      const { ms, result } = removal(where, tree, [process.execPath, program, where, 'tree'])
      times['polyns, the program'].push(ms)
      times['polyns, the removal itself'].push(Number(result))
    },
  ]
  for (let i = 0; i < rounds; i++) {
    for (const turn of turns) turn()
    turns.reverse()
  }
  return times
}

function removal(where, tree, command) {
  run(process.execPath, self, 'make', `${where}/tree`, JSON.stringify(tree))
  run('sync', '-f', where) // or the one would wait for what the other has left to write
  return time(() => run(...command))
}

function run(command, ...args) {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`'${command} ${args.join(' ')}' gave status ${status}: ${stderr}`)
  return stdout
}
