// Results as SVG: bars for what was measured in turn, lines on two logarithmic axes for growth. Self-contained, and readable on a
// light and on a dark page. Pure. A library would be a hundred times the size of these two drawings.
import { summary } from './stats.mjs'

const STYLE = `
  text { font: 12px system-ui, sans-serif; fill: #24292f }
  .small { font-size: 11px; fill: #57606a }
  .title { font-size: 14px; font-weight: 600 }
  .grid { stroke: #8c959f; stroke-opacity: .3 }
  .spread { stroke: #24292f; stroke-width: 1.5 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .small { fill: #9198a1 } .spread { stroke: #e6edf3 }
  }`
/** Told apart also by who does not see red and green alike; each line has a mark of its own besides. */
const COLOURS = [
  '#0072b2',
  '#d55e00',
  '#009e73',
  '#cc79a7',
  '#b58900',
  '#56b4e9',
  '#7f7f7f',
  '#9467bd',
  '#e15759',
  '#17becf',
]
const WIDTH = 760

const escapeXml = (text) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`)
const text = (x, y, words, attributes = '') =>
  `<text x="${x}" y="${y}" ${attributes}>${escapeXml(words)}</text>`
const line = (x1, y1, x2, y2, name) =>
  `<line x1="${x1.toFixed(1)}" y1="${y1.toFixed(1)}" x2="${x2.toFixed(1)}" y2="${y2.toFixed(1)}" class="${name}"/>`

/** `3.46`, `34.6`, `346`, `3,460`. */
export function figure(value) {
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en')
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 2)
}

/** A bar for the median of each, with a line over it from the 10th to the 90th of a hundred. */
export function drawBars({ title, unit, times }) {
  const [left, right, top, row] = [290, 90, 34, 26]
  const rows = Object.entries(times).map(([name, values]) => ({ name, ...summary(values) }))
  const most = Math.max(...rows.map(({ p90, median }) => Math.max(p90, median)))
  const x = (value) => left + (Math.max(value, 0) / most) * (WIDTH - left - right)
  const height = top + rows.length * row + 12
  const bars = rows.flatMap(({ name, median, p10, p90, n }, i) => {
    const y = top + i * row
    const spread = n > 1 ? [line(x(p10), y + 9, x(p90), y + 9, 'spread')] : []
    return [
      text(left - 8, y + 13, name, 'text-anchor="end"'),
      `<rect x="${left}" y="${y}" width="${(x(median) - left).toFixed(1)}" height="18" rx="2" fill="${COLOURS[i % COLOURS.length]}"/>`,
      ...spread,
      text(Math.max(x(p90), x(median)) + 6, y + 13, `${figure(median)} ${unit}`),
    ]
  })
  return svg(height, title, bars)
}

/** A line for each program through the medians, `points` being [n, values]. */
export function drawLines({ title, unit, x: xName, points }) {
  const [left, right, top, bottom, height] = [64, 190, 44, 48, 400]
  const lines = Object.entries(points).map(([name, own]) => ({
    name,
    own: own.map(([n, values]) => [n, summary(values).median]),
  }))
  const all = lines.flatMap(({ own }) => own)
  const xAxis = axis(
    all.map(([n]) => n),
    left,
    WIDTH - right,
  )
  const yAxis = axis(
    all.map(([, ms]) => ms),
    height - bottom,
    top,
  )
  const grid = [
    ...xAxis.ticks.flatMap((n) => [
      line(xAxis.at(n), top, xAxis.at(n), height - bottom, 'grid'),
      text(xAxis.at(n), height - bottom + 16, n.toLocaleString('en'), 'text-anchor="middle" class="small"'),
    ]),
    ...yAxis.ticks.flatMap((ms) => [
      line(left, yAxis.at(ms), WIDTH - right, yAxis.at(ms), 'grid'),
      text(left - 6, yAxis.at(ms) + 4, ms.toLocaleString('en'), 'text-anchor="end" class="small"'),
    ]),
    text((left + WIDTH - right) / 2, height - 10, xName, 'text-anchor="middle" class="small"'),
    text(left - 6, top - 10, unit, 'text-anchor="end" class="small"'),
  ]
  const labels = apart(lines.map(({ own }) => yAxis.at(own.at(-1)[1])))
  const drawn = lines.flatMap(({ name, own }, i) => {
    const colour = COLOURS[i % COLOURS.length]
    const at = own.map(([n, ms]) => [xAxis.at(n), yAxis.at(ms)])
    const path = at.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(' ')
    const labelY = labels[i]
    return [
      `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>`,
      ...at.map(([x, y]) => mark(i, x, y, colour)),
      mark(i, WIDTH - right + 14, labelY, colour),
      text(WIDTH - right + 24, labelY + 4, name),
    ]
  })
  return svg(height, title, [...grid, ...drawn])
}

/** Logarithmic; a tick at each power of ten in it, and at both ends. */
function axis(values, from, to) {
  const [least, most] = [Math.min(...values.filter((v) => v > 0)), Math.max(...values)]
  const low = 10 ** Math.floor(Math.log10(least))
  const high = Math.max(10 ** Math.ceil(Math.log10(most)), low * 10)
  const ticks = []
  for (let tick = low; tick <= high * 1.001; tick *= 10) ticks.push(Number(tick.toPrecision(1)))
  const at = (value) => from + (Math.log(Math.max(value, low) / low) / Math.log(high / low)) * (to - from)
  return { at, ticks }
}

/** Labels side by side, none on another. */
function apart(ys) {
  const order = ys.map((y, i) => [y, i]).sort(([a], [b]) => a - b)
  const placed = []
  let last = -Infinity
  for (const [y, i] of order) {
    last = Math.max(y, last + 16)
    placed[i] = last
  }
  return placed
}

function mark(i, x, y, colour) {
  const [X, Y] = [x.toFixed(1), y.toFixed(1)]
  if (i % 3 === 0) return `<circle cx="${X}" cy="${Y}" r="4" fill="${colour}"/>`
  if (i % 3 === 1)
    return `<rect x="${(x - 3.5).toFixed(1)}" y="${(y - 3.5).toFixed(1)}" width="7" height="7" fill="${colour}"/>`
  return `<path d="M${X} ${(y - 5).toFixed(1)}l5 9h-10z" fill="${colour}"/>`
}

function svg(height, title, parts) {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escapeXml(title)}">
<title>${escapeXml(title)}</title>
<style>${STYLE}
</style>
${text(8, 18, title, 'class="title"')}
${parts.join('\n')}
</svg>
`
}
