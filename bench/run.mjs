// npm run bench [-- --quick] [PART...]: measures everything side by side in one run, and writes docs/benchmarks: a table and a picture
// of each result. Needs root, and a Debian whose packages can be fetched the first time. Changes nothing on the machine.
// --quick (or QUICK=1), or some PARTs only: for trying; few rounds, small sizes, and the result goes to .cache/bench-quick.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { arch, cpus, loadavg, release, totalmem } from 'node:os'
import { parseArgs } from 'node:util'
import { makeAll } from './made.mjs'
import { onPaper } from './paper.mjs'
import { drawBars, drawLines } from './plot.mjs'
import { tableOf, toMarkdown } from './report.mjs'
import { checkout, findLayer, runEnclosed, runInside } from './sandbox.mjs'

/** In this order; remove is on the machine itself, since it is about its disk. */
const PARTS = [
  'open',
  'logins',
  'switch',
  'memory',
  'alive',
  'during',
  'remove',
  'growth-mounts',
  'growth-sessions',
  'growth-processes',
  'growth-instances',
]
const ON_THE_MACHINE = ['remove']

process.chdir(checkout)
const { values, positionals } = parseArgs({ options: { quick: { type: 'boolean' } }, allowPositionals: true })
const quick = values.quick ?? process.env.QUICK === '1'
const parts = positionals.length > 0 ? positionals : PARTS
const unknown = parts.find((part) => !PARTS.includes(part))
if (unknown !== undefined) fail(`there is no part '${unknown}': ${PARTS.join(', ')}`)
if (process.geteuid?.() !== 0) fail('needs root, to make namespaces')
const isWhole = !quick && positionals.length === 0
const output = isWhole ? 'docs/benchmarks' : '.cache/bench-quick'

const start = Date.now()
const load = () =>
  loadavg()
    .map((one) => one.toFixed(1))
    .join(' ')
const loadBefore = load()
say('making the package')
await makeAll()
const layer = findLayer()
const versions = await runInside(layer, 'machine', {})
const results = []
for (const part of parts) {
  const began = Date.now()
  const settings = { quick }
  const found = ON_THE_MACHINE.includes(part)
    ? await runEnclosed(part, settings)
    : await runInside(layer, part, settings)
  results.push(...found)
  for (const result of found) console.log(`\n${result.title}\n${tableOf(result)}\n`)
  say(`${part}: ${((Date.now() - began) / 1000).toFixed(0)} s, load ${load()}`)
}
write()
say(
  `${output}/README.md and ${results.length} pictures, after ${((Date.now() - start) / 60_000).toFixed(1)} min`,
)

function write() {
  mkdirSync(output, { recursive: true })
  for (const name of readdirSync(output)) if (name.endsWith('.svg')) rmSync(`${output}/${name}`)
  for (const result of results) {
    const draw = result.kind === 'turns' ? drawBars : drawLines
    writeFileSync(`${output}/${result.id}.svg`, draw(result))
  }
  const cpu = /^model name\s*: (.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? arch()
  const machine = [
    [
      'made',
      `${new Date().toISOString().slice(0, 10)}${isWhole ? '' : ', for trying: these figures mean little'}`,
    ],
    ['machine', `${cpus().length} × ${cpu}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB`],
    ['kernel', `${release()} ${arch()}`],
    ...versions,
    [
      'load before, at the end',
      `${loadBefore}; ${load()} (of 1, 5 and 15 minutes; the run itself makes some)`,
    ],
  ]
  const paper = PARTS.every((part) => parts.includes(part)) ? onPaper(results) : []
  writeFileSync(`${output}/README.md`, toMarkdown({ results, machine, paper }))
  const short = (_, value) => (typeof value === 'number' ? Number(value.toPrecision(5)) : value)
  writeFileSync(`${output}/results.json`, `${JSON.stringify(results, short)}\n`)
}

function say(what) {
  console.log(`bench: ${what}`)
}

function fail(why) {
  console.error(`bench: ${why}`)
  process.exit(1)
}
