/* What the benches make of the times: quantiles, pairs, growth, tables, pictures. */
import t from 'tap'
import { drawBars, drawLines, figure } from '../../bench/plot.mjs'
import { toMarkdown } from '../../bench/report.mjs'
import { growth, median, pairs, quantile } from '../../bench/stats.mjs'

t.test('quantiles', async (t) => {
  t.equal(median([3, 1, 2]), 2)
  t.equal(median([4, 1, 3, 2]), 2.5)
  t.equal(quantile([0, 10], 0.1), 1, 'between two values')
  t.equal(quantile([7], 0.9), 7)
  t.throws(() => median([]), /of nothing/)
})

t.test('pairs are of the same round', async (t) => {
  t.same(pairs([2, 30], [1, 10]), [2, 3])
  t.throws(() => pairs([1], [1, 2]), /1 values, 2/)
})

t.test('growth', async (t) => {
  const at = (f: (n: number) => number) => [10, 100, 1000, 4000].map((n): [number, number] => [n, f(n)])
  const exponent = (f: (n: number) => number) => growth(at(f)).exponent
  t.equal(
    exponent(() => 50),
    null,
    'none',
  )
  t.equal(
    exponent((n) => 50 + n / 1000),
    null,
    'less than a tenth is none',
  )
  t.ok(Math.abs((exponent((n) => 50 + n) ?? 0) - 1) < 0.01, 'linear, whatever it starts from')
  t.ok(Math.abs((exponent((n) => 50 + n * n) ?? 0) - 2) < 0.1, 'quadratic')
  t.ok(Math.abs(growth(at((n) => 50 + n / 2)).each - 0.5) < 1e-9, 'the cost of one more')
})

t.test('figures have three digits', async (t) => {
  t.same([0.123, 3.456, 34.56, 345.6, 3456.7].map(figure), ['0.12', '3.46', '34.6', '346', '3,457'])
})

const bars = {
  kind: 'turns',
  id: 'a',
  title: 'A & <b>',
  unit: 'ms',
  base: 'one',
  times: { one: [1, 2], two: [2, 6] },
}
const lines = {
  kind: 'growth',
  id: 'g',
  title: 'G',
  unit: 'ms',
  x: 'mounts',
  points: {
    list: [
      [1, [5]],
      [1000, [50]],
    ] as [number, number[]][],
  },
}

t.test('pictures are XML that stands alone', async (t) => {
  for (const svg of [drawBars(bars), drawLines(lines)]) {
    t.notMatch(svg, /NaN|undefined|Infinity|<b>/)
    t.equal(svg.split('<svg').length, 2)
    t.match(svg, /prefers-color-scheme: dark/)
    t.notMatch(svg.replace('http://www.w3.org/2000/svg', ''), /https?:|href|url\(/)
  }
  t.match(drawBars(bars), /A &#38; &#60;/)
})

t.test('the table has medians, pairs and whether a goal was reached', async (t) => {
  const results = [{ ...bars, failures: { one: 0, two: 0 }, goals: [{ name: 'two', most: 2 }] }, lines]
  const text = toMarkdown({ results, machine: [['kernel', '6']], paper: ['## On paper'] })
  t.match(text, '| two | 4.00 | 2.40 – 5.60 | 2.50 (2.10 – 2.90) | 0 |')
  t.match(text, '| A & <b> | two to one | ≤ 2 | 2.50 | **no** |')
  t.match(text, '![G](g.svg)')
  const easy = [{ ...bars, failures: { two: 1 }, goals: [{ name: 'two', most: 3 }] }]
  t.match(
    toMarkdown({ results: easy, machine: [], paper: [] }),
    '**no**',
    'a login that failed is never good enough',
  )
})
