// What is made of the times. Pure.

/** The value below which the part `p` of them lies, by linear interpolation. @throws {Error} there are none */
export function quantile(values, p) {
  if (values.length === 0) throw new Error('a quantile of nothing')
  const sorted = [...values].sort((a, b) => a - b)
  const at = (sorted.length - 1) * p
  const below = sorted[Math.floor(at)]
  return below + (sorted[Math.ceil(at)] - below) * (at - Math.floor(at))
}

export const median = (values) => quantile(values, 0.5)

/** Median, and the spread that eight of ten lie in. */
export function summary(values) {
  return { median: median(values), p10: quantile(values, 0.1), p90: quantile(values, 0.9), n: values.length }
}

/** The ratio of each value to the one of the same round: what disturbs a whole round is in both. */
export function pairs(values, base) {
  if (values.length !== base.length)
    throw new Error(`${values.length} values, ${base.length} to compare with`)
  return values.map((value, i) => value / base[i])
}

/** What is less than this part of the start is no growth. */
const FLAT = 0.1

/**
 * How a cost grows with n, from points [n, ms]: it is taken for a + b * n^k, where a is the cost at the least n.
 * @returns `ofFirst`, how often the cost at the least n it is at the greatest; k, null where it has hardly grown; `each`, b
 * where k is 1: the milliseconds for one more, from the first point to the last
 */
export function growth(points) {
  const sorted = [...points].sort(([a], [b]) => a - b)
  const [first, last] = [sorted[0], sorted.at(-1)]
  const ofFirst = last[1] / first[1]
  const each = (last[1] - first[1]) / (last[0] - first[0])
  const grown = sorted.slice(1).flatMap(([n, ms]) => {
    const isGrown = ms - first[1] > FLAT * first[1]
    return isGrown ? [[Math.log(n - first[0]), Math.log(ms - first[1])]] : []
  })
  if (ofFirst <= 1 + FLAT || grown.length < 2) return { ofFirst, each, exponent: null }
  return { ofFirst, each, exponent: slope(grown) }
}

/** Of the straight line through the points that has the least squares. */
function slope(points) {
  const mean = (i) => points.reduce((sum, point) => sum + point[i], 0) / points.length
  const [x, y] = [mean(0), mean(1)]
  const above = points.reduce((sum, p) => sum + (p[0] - x) * (p[1] - y), 0)
  return above / points.reduce((sum, p) => sum + (p[0] - x) ** 2, 0)
}
