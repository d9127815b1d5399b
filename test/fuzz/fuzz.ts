/*
 * Seeded fuzzing. A case depends on nothing but the seed, its target's name and its number, so that one line of output is
 * enough to see it again:
 *
 *   FUZZ_SEED=7 npx tap test/fuzz/parsers.test.ts     another seed; without it always the same cases
 *   FUZZ_SECONDS=300 ...                              for so long, all targets of a file together, in place of a number of cases
 *
 * What once failed is kept in fixtures.json, by target, and tried first.
 */
import { readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { generator, pick, type Random, SEED } from './random.js'

export { pick, type Random } from './random.js'

export interface Target {
  name: string
  /** Valid inputs, and pieces of the grammar to put into them. Bytes are one character each, as in latin1. */
  corpus: readonly string[]
  pieces: readonly string[]
  /** @returns whether it was accepted; null: the question does not arise. @throws what must not be */
  run(input: string): boolean | null
  /** Another way than mutation to come to an input. */
  make?: (random: Random) => string
  /** Without FUZZ_SECONDS. */
  cases?: number
}

const SECONDS = process.env.FUZZ_SECONDS === undefined ? null : Number(process.env.FUZZ_SECONDS)
const DEFAULT_CASES = 4000
/** For one input of up to some 100 kB, on a machine that does other things besides. */
const SLOW_MS = 5000
const FIXTURES: Record<string, string[]> = JSON.parse(
  readFileSync(new URL('fixtures.json', import.meta.url), 'utf8'),
)

function seedOf(text: string): number {
  let hash = 0x811c9dc5 // FNV-1a
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash
}

const ANYWHERE = [
  ...['\0', '\n', '\r\n', '\r', '\t', ' ', '\x1b[2J', '\x7f', '\\', '"', "'", '#', '%', '$', '/', '..', ''],
  ...['\xff', '\xc3', '\xe2\x80\xae', '\xf0\x9f\x98\x80', '\xef\xbb\xbf', '\xed\xa0\x80'], // UTF-8 and what is none
  ...['0', '-1', '18446744073709551616', '1e309', '__proto__', 'constructor'],
]

type Mutation = (input: string, random: Random, target: Target) => string
const at = (input: string, random: Random) => random(input.length + 1)
const insert = (input: string, where: number, what: string) =>
  input.slice(0, where) + what + input.slice(where)
const range = (input: string, random: Random): [number, number] => {
  const from = at(input, random)
  return [from, Math.min(input.length, from + random(random(4) === 0 ? input.length + 1 : 12))]
}

const MUTATIONS: readonly Mutation[] = [
  (input, random, { pieces }) => insert(input, at(input, random), pick(random, pieces)),
  (input, random, { pieces }) => insert(input, at(input, random), pick(random, pieces)),
  (input, random) => insert(input, at(input, random), pick(random, ANYWHERE)),
  (input, random) => insert(input, at(input, random), String.fromCharCode(random(256))),
  (input, random) => {
    const where = random(input.length || 1)
    const flipped = input.charCodeAt(where) ^ (1 << random(8))
    return input.slice(0, where) + String.fromCharCode(flipped & 255) + input.slice(where + 1)
  },
  (input, random) => input.slice(0, at(input, random)),
  (input, random) => {
    const [from, to] = range(input, random)
    return input.slice(0, from) + input.slice(to)
  },
  (input, random) => {
    const [from, to] = range(input, random)
    return insert(input, at(input, random), input.slice(from, to))
  },
  (input, random, { corpus }) => {
    const other = pick(random, corpus)
    return input.slice(0, at(input, random)) + other.slice(at(other, random))
  },
  (input, random) => {
    const lines = input.split('\n')
    const line = lines[random(lines.length)] ?? ''
    lines.splice(random(lines.length + 1), 0, line)
    return lines.join('\n')
  },
  (input, random) => input.replaceAll('\n', random(2) === 0 ? '\r\n' : ' \n'),
]
/** Seldom, for they take time: long fields, long files. */
const LONG: readonly Mutation[] = [
  (input, random, { pieces }) =>
    insert(input, at(input, random), pick(random, [...pieces, ...ANYWHERE]).repeat(1 + random(20_000))),
  (input, random) => `${input}\n`.repeat(1 + random(Math.ceil(50_000 / (input.length + 100)))),
]
const LONGEST = 200_000

function mutated(target: Target, random: Random): string {
  let input = target.make !== undefined && random(2) === 0 ? target.make(random) : pick(random, target.corpus)
  for (let i = random(6); i > 0; i--) input = pick(random, MUTATIONS)(input, random, target)
  if (random(400) === 0) input = pick(random, LONG)(input, random, target)
  return input.slice(0, LONGEST)
}

/** Tries each target, and prints a table. */
export function fuzz(targets: readonly Target[]): void {
  const rows = [['target', 'cases', 'accepted', 'refused', 'slowest ms']]
  for (const target of targets) {
    t.test(`fuzz: ${target.name}`, { timeout: ((SECONDS ?? 0) + 120) * 1000 }, (t) => {
      rows.push(tryOne(t, target, SECONDS === null ? null : SECONDS / targets.length))
      t.end()
    })
  }
  t.test('seeds', (t) => {
    for (const row of rows) {
      t.comment(row.map((cell, i) => (i === 0 ? cell.padEnd(28) : cell.padStart(11))).join(''))
    }
    t.comment(`seed ${SEED}`)
    t.strictSame(
      Object.keys(FIXTURES).filter((name) => !ALL.has(name)),
      [],
      'no fixture is for a target that is gone',
    )
    t.end()
  })
}

/** The targets of all files. */
const ALL = new Set([
  'config',
  'mountinfo',
  'cgroup',
  'proc status',
  'step title',
  'pam options',
  'pam stack',
  'slurm.conf',
  'tmpfiles',
  'unit file',
  'tally',
  'wildcards',
  'durations',
  'subuid',
  'instance names',
])

function tryOne(t: Test, target: Target, seconds: number | null): string[] {
  const until = seconds === null ? null : performance.now() + seconds * 1000
  const count = { cases: 0, accepted: 0, refused: 0, slowest: 0 }
  const failures: string[] = []
  const attempt = (input: string, where: string) => {
    const started = performance.now()
    try {
      const accepted = target.run(input)
      if (accepted === true) count.accepted++
      if (accepted === false) count.refused++
    } catch (error) {
      failures.push(`${where}: ${error}\n  ${shown(input)}`)
    }
    const ms = performance.now() - started
    if (ms > SLOW_MS) failures.push(`${where}: ${Math.round(ms)} ms\n  ${shown(input)}`)
    count.slowest = Math.max(count.slowest, ms)
    count.cases++
  }
  for (const [i, input] of (FIXTURES[target.name] ?? []).entries()) attempt(input, `fixture ${i}`)
  for (const input of target.corpus) attempt(input, 'corpus')
  const enough = () =>
    failures.length > 4 ||
    (until === null ? count.cases >= (target.cases ?? DEFAULT_CASES) : performance.now() >= until)
  for (let i = 0; !enough(); i++) {
    attempt(mutated(target, generator(seedOf(`${SEED} ${target.name} ${i}`))), `seed ${SEED}, case ${i}`)
  }
  t.strictSame(failures, [])
  const numbers = [count.cases, count.accepted, count.refused, Math.round(count.slowest)]
  return [target.name, ...numbers.map(String)]
}

/** As fixtures.json takes it, unless it is very long. */
function shown(input: string): string {
  const text = JSON.stringify(input)
  return text.length > 2000 ? `${text.slice(0, 2000)}... (${input.length} characters)` : text
}

/** @throws {Error} saying `what` */
export function must(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(what)
}

/** Runs `fn`; of what it throws only `kinds` may be. @returns null when it threw */
export function refusing<T>(kinds: readonly (new (...args: never[]) => Error)[], fn: () => T): T | null {
  try {
    return fn()
  } catch (error) {
    if (kinds.some((kind) => error instanceof kind)) return null
    throw new Error(`threw ${error instanceof Error ? error.stack : error}`)
  }
}
