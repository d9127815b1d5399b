/* What the lines of the tally count as, and how the figures are written. */
import t from 'tap'
import { drawList } from '../../../src/cli/list-picture.js'
import type { Machine } from '../../../src/cli/list-types.js'
import { familiesOf } from '../../../src/cli/metrics-families.js'
import { renderMetrics } from '../../../src/cli/metrics-format.js'
import { type Counters, countLines } from '../../../src/session/tally-counts.js'
import { parseExposition } from '../../support/exposition.js'

function counted(text: string): Record<string, number> {
  const counters: Counters = new Map()
  countLines(counters, text)
  return Object.fromEntries(counters)
}

const machine: Machine = {
  sessions: [],
  holdings: [],
  unknown: [],
  notes: [],
  configuration: 'good',
  areParentsSafe: true,
}

t.test('lines', (t) => {
  for (const [what, text, counters] of [
    ['nothing', '', {}],
    ['an opening and its time', 'built 43210\n', { built: 1, 'opened.micros': 43210, 'opened.le.0.05': 1 }],
    ['exactly at a bound', 'joined 50000\n', { joined: 1, 'opened.micros': 50000, 'opened.le.0.05': 1 }],
    ['longer than any bound', 'built 10000001\n', { built: 1, 'opened.micros': 10000001 }],
    ['whose time does not count', 'nothing 5\nhost 7\nkept 1\n', { nothing: 1, host: 1, kept: 1 }],
    [
      'failures, by status',
      'refused 5\nrefused 3\nfailopen 5\n',
      { 'refused.5': 1, 'refused.3': 1, 'failopen.5': 1 },
    ],
    [
      'a clean-up',
      'reap 2 30 400\nreap 0 0 1\n',
      { reap: 2, 'reap.instances': 2, 'reap.entries': 30, 'reap.micros': 401 },
    ],
    ['of a newer polyns', 'danced 3\n', { danced: 1 }],
    ['that are none', 'built x\nBUILT 1\n built 1\nbuilt  1\nbuilt -1\nbuilt 1e9\n\0\n', {}],
    ['that are too long', `built ${'9'.repeat(16)}\nbuilt 1 2 3 4\n`, {}],
  ] as const) {
    t.same(counted(text), counters, what)
  }
  t.end()
})

t.test('figures', (t) => {
  const counters: Counters = new Map()
  countLines(counters, 'built 43210\njoined 9000\nbuilt 99000000\n')
  const text = renderMetrics(familiesOf({ version: '1"\\\n', machine, counters, isTallyComplete: true }))
  const { types, samples } = parseExposition(text)
  t.equal(samples.get('polyns_build_info{version="1\\"\\\\\\n"}'), 1, 'labels are escaped')
  t.equal(types.get('polyns_open_seconds'), 'histogram')
  t.match(text, /^polyns_open_seconds_bucket\{le="0.025"\} 1\npolyns_open_seconds_bucket\{le="0.05"\} 2$/m)
  t.match(text, /^polyns_open_seconds_bucket\{le="10"\} 2\npolyns_open_seconds_bucket\{le="\+Inf"\} 3$/m)
  t.match(text, /^polyns_open_seconds_sum 99\.05221\n/m)
  t.end()
})

t.test('the test’s own reader of the format refuses what is none', (t) => {
  const head = '# HELP a_total x\n# TYPE a_total counter\n'
  t.doesNotThrow(() => parseExposition(`${head}a_total{b="\\""} 1\n`))
  for (const text of [
    'a_total 1\n',
    `${head}a_total 1`,
    `${head}a_total 1\na_total 1\n`,
    `${head}b_total 1\n`,
    `${head}a_total one\n`,
    `${head}a_total{b="""} 1\n`,
    `${head}a_total{b="1",b="2"} 1\n`,
    `${head}a_total 1\n${head}`,
    '# TYPE a_total counter\na_total 1\n',
    '# HELP a x\n# TYPE a counter\na 1\n',
    '# HELP h x\n# TYPE h histogram\nh_bucket{le="1"} 2\nh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 1\n',
  ]) {
    t.throws(() => parseExposition(text), text)
  }
  t.end()
})

t.test('a picture of nothing', (t) => {
  t.equal(drawList(machine, { utf8: true, color: true }, 0), 'no sessions\n')
  t.end()
})
