/*
 * Counting the lines of the tally. Pure. Counters are named by strings, so that a file of an older or newer polyns can be
 * read: what is not known is carried along.
 *
 *   built 43210           a session opened in so many microseconds; so joined, kept, host and nothing
 *   refused 5             with this exit status; so failopen and closefailed
 *   closed
 *   reap 3 1200 54321     instances, entries of directories, microseconds; so epilog
 */

export type Counters = Map<string, number>

/** Upper bounds, in seconds, of how long an opening took. */
export const OPEN_BUCKETS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const

const LINE = /^([a-z]{1,16})((?: \d{1,15}){0,3})$/
const TIMED = ['built', 'joined']
const BY_STATUS = ['refused', 'failopen', 'closefailed']
const CLEANUPS = ['reap', 'epilog']

/** Adds what `text`, whole lines, says to `counters`. A line that is none is passed over. */
export function countLines(counters: Counters, text: string): void {
  for (const line of text.split('\n')) {
    const [, kind, rest = ''] = LINE.exec(line) ?? []
    if (kind !== undefined) countLine(counters, kind, rest.split(' ').slice(1).map(Number))
  }
}

function countLine(counters: Counters, kind: string, [a = 0, b = 0, c = 0]: readonly number[]): void {
  const add = (name: string, by: number) => counters.set(name, (counters.get(name) ?? 0) + by)
  add(BY_STATUS.includes(kind) ? `${kind}.${a}` : kind, 1)
  if (TIMED.includes(kind)) {
    const bound = OPEN_BUCKETS.find((limit) => a <= limit * 1e6)
    if (bound !== undefined) add(`opened.le.${bound}`, 1)
    add('opened.micros', a)
  }
  if (CLEANUPS.includes(kind)) {
    add(`${kind}.instances`, a)
    add(`${kind}.entries`, b)
    add(`${kind}.micros`, c)
  }
}
