// The results as docs/benchmarks/README.md. Pure.
import { figure } from './plot.mjs'
import { growth, median, pairs, quantile, summary } from './stats.mjs'

const NOT_PAIRED = '–'
const PAIRS = `Times are wall-clock, in rounds: each round runs every contestant once, the next one in the opposite order. *Median* is over the
rounds; *spread* is where eight of ten of them lie. *In pairs* divides each time by that of the contestant named, **of the same
round**, and is the median of these ratios with the same spread: what slows the machine for a moment slows both. *CPU* is what
the processors worked for it, user and system, all its processes together.`

/** @param machine lines of facts: name and value */
export function toMarkdown({ results, machine, paper }) {
  return [
    '# Benchmarks',
    '',
    '<!-- Made by `npm run bench`; not by hand. -->',
    'Made by `npm run bench` in one run, as are all pictures here. What the figures mean: [performance.md](../performance.md).',
    '',
    table(['', ''], machine),
    '',
    PAIRS,
    '',
    ...goalsOf(results),
    ...results.flatMap((result) => [
      `## ${result.title}`,
      '',
      tableOf(result),
      '',
      `![${result.title}](${result.id}.svg)`,
      '',
    ]),
    ...paper,
  ].join('\n')
}

export function tableOf(result) {
  return (result.kind === 'turns' ? inTurns(result) : grown(result)).join('\n')
}

function inTurns({ unit, base, times, cpu, failures }) {
  const head = [
    '',
    `median, ${unit}`,
    'spread',
    ...(cpu ? ['CPU'] : []),
    ...(base ? [`in pairs to ${base}`] : []),
    ...(failures ? ['failures'] : []),
  ]
  const rows = Object.entries(times).map(([name, values]) => {
    const one = summary(values)
    return [
      name,
      figure(one.median),
      one.n === 1 ? '' : `${figure(one.p10)} – ${figure(one.p90)}`,
      ...(cpu ? [figure(median(cpu[name]))] : []),
      ...(base ? [name === base ? NOT_PAIRED : ratio(pairs(values, times[base]))] : []),
      ...(failures ? [`${failures[name]}`] : []),
    ]
  })
  return [table(head, rows), '', `${Object.values(times)[0].length} of each.`]
}

const ratio = (values) =>
  `${median(values).toFixed(2)} (${quantile(values, 0.1).toFixed(2)} – ${quantile(values, 0.9).toFixed(2)})`

function grown({ unit, x, points }) {
  const counts = Object.values(points)[0].map(([n]) => n)
  const head = [
    `${unit}, at so many ${x}`,
    ...counts.map((n) => n.toLocaleString('en')),
    'last to first',
    'exponent',
    'for 1,000 more',
  ]
  const rows = Object.entries(points).map(([name, own]) => {
    const medians = own.map(([n, values]) => [n, median(values)])
    const { ofFirst, exponent, each } = growth(medians)
    return [
      name,
      ...medians.map(([, ms]) => figure(ms)),
      ofFirst.toFixed(2),
      exponent === null ? 'flat' : exponent.toFixed(2),
      exponent === null ? '' : `${figure(each * 1000)} ${unit}`,
    ]
  })
  return [table(head, rows), '', `Medians of ${Object.values(points)[0][0][1].length} rounds at each number.`]
}

/** What was to be shown. */
function goalsOf(results) {
  const rows = results.flatMap(({ goals = [], times, base, title, failures }) =>
    goals.map(({ name, most }) => {
      const seen = median(pairs(times[name], times[base]))
      const failed = failures?.[name] ?? 0
      return [
        title,
        `${name} to ${base}`,
        `≤ ${most}`,
        seen.toFixed(2),
        seen <= most && failed === 0 ? 'yes' : '**no**',
      ]
    }),
  )
  return ['## The goals', '', table(['', 'in pairs', 'goal', 'seen', 'reached'], rows), '']
}

export function table(head, rows) {
  const lines = [head, head.map((_, i) => (i === 0 ? '---' : '--:')), ...rows]
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}
