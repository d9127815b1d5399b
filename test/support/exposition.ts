/*
 * Reads the Prometheus text format as strictly as its rules are written, and so more strictly than Prometheus: HELP, then TYPE,
 * then all samples of a family, each family once, no sample twice, and histograms that add up.
 */

export interface Metrics {
  types: Map<string, string>
  /** By the text of the sample, `polyns_opens_total{how="built"}`: labels in the order in which they come. */
  samples: Map<string, number>
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/
const LABEL = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/
const SUFFIXES: Readonly<Record<string, readonly string[]>> = { histogram: ['_bucket', '_sum', '_count'] }

/** @throws {Error} with the line that breaks a rule */
export function parseExposition(text: string): Metrics {
  const found: Metrics = { types: new Map(), samples: new Map() }
  let family = ''
  let helped = ''
  if (!text.endsWith('\n')) throw new Error('the last line has no end')
  for (const line of text.slice(0, -1).split('\n')) {
    const must = (holds: boolean, rule: string) => {
      if (!holds) throw new Error(`${rule}: ${line}`)
    }
    const [, word, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? []
    if (word === 'HELP') {
      must(NAME.test(name) && !found.types.has(name), 'a family comes once')
      must(/^(?:[^\\]|\\[\\n])*$/.test(rest), 'HELP is escaped')
      helped = name
    } else if (word === 'TYPE') {
      must(name === helped && !found.types.has(name), 'TYPE follows HELP')
      must(['counter', 'gauge', 'histogram'].includes(rest), 'a known type')
      must(rest !== 'counter' || name.endsWith('_total'), 'a counter ends in _total')
      found.types.set(name, rest)
      family = name
    } else {
      const [, name = '', labels = '', value = ''] = SAMPLE.exec(line) ?? []
      const suffixes = SUFFIXES[found.types.get(family) ?? ''] ?? ['']
      must(
        suffixes.some((suffix) => name === `${family}${suffix}`),
        'a sample stands below its TYPE',
      )
      must(readLabels(labels), 'labels are name="value"')
      must(/^(?:[+-]?(?:\d+\.?\d*(?:e[+-]?\d+)?)|[+-]Inf|NaN)$/.test(value), 'a number')
      const key = labels === '' ? name : `${name}{${labels}}`
      must(!found.samples.has(key), 'no sample twice')
      found.samples.set(key, Number(value))
    }
  }
  for (const [name, type] of found.types) if (type === 'histogram') checkHistogram(name, found.samples)
  return found
}

function readLabels(text: string): boolean {
  const names = new Set<string>()
  for (let rest = text; rest !== ''; ) {
    const [all, name] = LABEL.exec(rest) ?? []
    if (all === undefined || name === undefined || names.has(name)) return false
    names.add(name)
    rest = rest.slice(all.length)
  }
  return true
}

/** Of one without other labels. */
function checkHistogram(name: string, samples: Metrics['samples']): void {
  const buckets = [...samples].flatMap(([key, value]) => {
    const le = key.startsWith(`${name}_bucket{`)
      ? /^\{le="([^"]+)"\}$/.exec(key.slice(name.length + 7))?.[1]
      : undefined
    return le === undefined ? [] : [[le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le), value] as const]
  })
  const grows = buckets.every(([le, value], i) => {
    const [before, less] = buckets[i - 1] ?? [Number.NEGATIVE_INFINITY, 0]
    return le > before && value >= less
  })
  const [last, all] = buckets.at(-1) ?? [0, 0]
  if (!grows || last !== Number.POSITIVE_INFINITY || all !== samples.get(`${name}_count`))
    throw new Error(`the buckets of ${name} do not add up`)
  if (samples.get(`${name}_sum`) === undefined) throw new Error(`${name} has no sum`)
}
