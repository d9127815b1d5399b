// What removing a tree costs, side by side with `rm -rf`, on a tmpfs and on the disk of this checkout. Outside of the sandbox, whose
// root is a tmpfs, in namespaces of its own: see run.mjs. By the clock of this process, since each needs a new tree before it.
import { spawnSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { report, sized, timed } from '../inside.mjs'
import { checkout } from '../sandbox.mjs'
import { bundle } from '../sessions.mjs'

const self = fileURLToPath(import.meta.url)
const rounds = sized(5, 2)
const directories = sized(1000, 100)
const TREES = {
  wide: {
    directories,
    files: 100,
    depth: 0,
    title: `${(directories * 100).toLocaleString('en')} files in ${directories.toLocaleString('en')} directories`,
  },
  deep: {
    directories: 0,
    files: 0,
    depth: sized(5000, 500),
    title: `${sized(5000, 500).toLocaleString('en')} directories, each in the one before`,
  },
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

if (process.argv[2] === 'make') make(process.argv[3], JSON.parse(process.argv[4]))
else await bench()

async function bench() {
  const disk = `${checkout}/.cache/bench-remove`
  rmSync(disk, { recursive: true, force: true }) // of a bench that was killed
  mkdirSync(disk)
  try {
    run('mount', '-t', 'tmpfs', '-o', 'mode=755', 'bench', '/mnt')
    mkdirSync('/mnt/tree')
    const program = await bundle(PROGRAM, '/mnt/remove.cjs', checkout)
    const places = { tmpfs: '/mnt/tree', disk }
    const results = Object.entries(places).flatMap(([place, where]) =>
      Object.entries(TREES).map(([id, tree]) => ({
        kind: 'turns',
        id: `remove-${place}-${id}`,
        title: `Removal of ${tree.title}, ${place === 'disk' ? 'on disk' : 'on a tmpfs'}`,
        unit: 'ms',
        base: 'rm -rf',
        times: measure(where, tree, program),
      })),
    )
    report(results)
  } finally {
    rmSync(disk, { recursive: true, force: true })
  }
}

/** Below `where`, with empty files, by short names: a process of its own, since it changes its directory. */
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

/** Both find the same tree. */
function measure(where, tree, program) {
  const times = { 'rm -rf': [], 'polyns, as a program': [], 'polyns, the removal itself': [] }
  const turns = [
    () => times['rm -rf'].push(removal(where, tree, ['rm', '-rf', `${where}/tree`]).ms),
    () => {
      const { ms, result } = removal(where, tree, [process.execPath, program, where, 'tree'])
      times['polyns, as a program'].push(ms)
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
  return timed(() => run(...command))
}

function run(command, ...args) {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`'${command} ${args.join(' ')}' gave status ${status}: ${stderr}`)
  return stdout
}
