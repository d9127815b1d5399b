/*
 * Random lines from the pieces that mean something and from bytes that do not. Seeded: a failure names its seed,
 * POLYNS_FUZZ_SEED runs it again, POLYNS_FUZZ_LINES runs more of them.
 */
import t from 'tap'
import { expandRule, formatProblem, type Mode, type Names, parseConfig } from '../../../src/config/index.js'
import { ConfigError } from '../../../src/sys/errors.js'
import { alice, names } from './fixtures/names.js'

const LINES = Number(process.env.POLYNS_FUZZ_LINES ?? 5_000)
const PIECES = [
  ...['/tmp', '/i/', '/', '//', '..', '$HOME', '$USER', '$HOMEX', '${', '$'],
  ...['"', '\\', '\\t', '#', ' ', '\t', '\r', '\n', '\0', '\v', ':', '::', ',', '=', '~', '@'],
  ...['user', 'level', 'tmpdir', 'tmpfs', 'dir', 'root', 'alice', 'staff', '1000:1999', ':7', '5:'],
  ...[
    'create',
    'create=',
    '01777',
    '1777',
    '0x1',
    '-1',
    'noinit',
    'shared',
    'iscript=',
    'mntopts=',
    'size=1M',
  ],
  ...['nosuid', 'scope=', 'job', 'keep=', 'carry=', '.X11-unix', 'krb5cc_*'],
  ...['x', '\u00a0', '\uFEFF', '\uFFFD', '\u202e', '\x1b', '\x9b', 'é', '😀'],
]

/** mulberry32, a small generator whose whole state is its seed. */
function generator(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

function randomLine(random: (below: number) => number): string {
  const pick = (pieces: readonly string[]) => pieces[random(pieces.length)] ?? ''
  // Most lines are nearly right; the others are anything.
  if (random(4) === 0) return Array.from({ length: random(30) }, () => pick(PIECES)).join('')
  const noise = () => (random(6) === 0 ? pick(PIECES) : '')
  const flags = Array.from({ length: random(4) }, () => `:${pick(PIECES)}${noise()}${noise()}`).join('')
  return `/tmp${noise()} /i/${noise()} ${pick(['user', 'tmpfs', 'level', 'dir'])}${flags}${noise()} ${pick(PIECES)}${noise()}`
}

function outcome(text: string, mode: Mode, table: Names = names) {
  const { rules, problems } = parseConfig([{ file: 'f', text }], { mode, names: table })
  return { rules, problems, accepted: !problems.some(({ severity }) => severity === 'error') }
}

t.test('whatever the line, both modes agree on what is wrong and strict is the stricter one', (t) => {
  const seed = Number(process.env.POLYNS_FUZZ_SEED ?? 20240117)
  const random = generator(seed)
  const tally = { strict: 0, compat: 0 }
  for (let count = 0; count < LINES; count++) {
    const line = randomLine(random)
    const where = `seed ${seed}, line ${count}: ${JSON.stringify(line)}`
    const strict = outcome(line, 'strict')
    const compat = outcome(line, 'compat')
    if (strict.accepted) tally.strict++
    if (compat.accepted) tally.compat++
    const usesDir = compat.problems.some(({ message }) => message === 'unknown method "dir"')
    if (strict.accepted && !compat.accepted && !usesDir) t.fail(`strict alone accepts ${where}`)
    const lines = line.split('\n').length
    for (const { rules, problems, accepted } of [strict, compat]) {
      if (rules.length > lines) t.fail(`too many rules from ${where}`)
      if (accepted && rules.length === 0 && /^[ \t]*\/tmp \/i\/ user/.test(line))
        t.fail(`nothing from ${where}`)
      for (const problem of problems) {
        const length = Array.from(problem.text ?? '').length
        if (problem.column < 1 || problem.column > length + 1) t.fail(`column ${problem.column} of ${where}`)
        // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not come through
        if (/[\x00-\x08\x0b-\x1f\x7f-\x9f]/.test(formatProblem(problem)))
          t.fail(`control characters from ${where}`)
      }
      for (const rule of rules) {
        if (!rule.polydir.startsWith('/') && !rule.polydir.startsWith('$HOME')) t.fail(`relative: ${where}`)
        try {
          const { polydir } = expandRule(rule, alice)
          if (polydir.includes('..') || !polydir.startsWith('/')) t.fail(`unsafe path from ${where}`)
        } catch (error) {
          if (!(error instanceof ConfigError)) t.fail(`${error} from ${where}`)
        }
      }
    }
  }
  t.ok(tally.strict > LINES / 100, `strict accepted ${tally.strict} of ${LINES}`)
  t.ok(tally.compat > tally.strict, `compat accepted ${tally.compat}`)
  t.end()
})

t.test('a long line takes no more than its length', (t) => {
  for (const piece of ['/', '"', '\\', ':', ',', '$HOME', '$', ' ', '../', '/./', 'x=']) {
    const { user } = process.cpuUsage()
    outcome(`/tmp /i/ user:${piece.repeat(50_000)}`, 'compat')
    outcome(`/${piece.repeat(20_000)} /i/ user ${piece.repeat(20_000)}`, 'compat')
    // A search that starts anew at each character would take minutes.
    const seconds = (process.cpuUsage().user - user) / 1e6
    t.ok(seconds < 5, `${JSON.stringify(piece)} took ${seconds} s`)
  }
  t.end()
})
