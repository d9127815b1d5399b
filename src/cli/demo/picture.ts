/* How the demo looks: tables and lines of at most 80 columns, for the terminal or the pipe that it is written to. Pure. */

export interface Look {
  /** Lines drawn with box characters; else with + - and |. */
  utf8: boolean
  color: boolean
}

/** What one sees at one place: each item whole, or the word for nothing. */
export type Cell = readonly string[]

export interface Row {
  label: string
  cells: readonly Cell[]
}

const WIDTH = 79
const LABEL_WIDTH = 9
const NOTHING = ['(empty)']

/** By setlocale(3)'s order: the first of the three that is set decides. */
export function usesUtf8(env: Readonly<Record<string, string | undefined>>): boolean {
  return /utf-?8/i.test(env.LC_ALL || env.LC_CTYPE || env.LANG || '')
}

/** A table of `columns`, with a label before each row. An item that is wider than its column is not cut: it must be seen. */
export function drawTable(columns: readonly string[], rows: readonly Row[], look: Look): string {
  const width = Math.floor((WIDTH - LABEL_WIDTH - 4) / columns.length) - 3
  const widths = [LABEL_WIDTH, ...columns.map(() => width)]
  const bar = look.utf8 ? '│' : '|'
  const line = (cells: readonly string[], style: (text: string) => string = (text) => text) =>
    `${bar}${widths.map((w, i) => ` ${style((cells[i] ?? '').padEnd(w))} `).join(bar)}${bar}\n`
  const rule = ([left, cross, right]: readonly string[]) =>
    `${left}${widths.map((w) => (look.utf8 ? '─' : '-').repeat(w + 2)).join(cross)}${right}\n`
  const body = rows.map(({ label, cells }) => {
    const wrapped = cells.map((cell) => wrap(cell.length === 0 ? NOTHING : cell, width, '  '))
    const height = Math.max(1, ...wrapped.map((lines) => lines.length))
    return Array.from({ length: height }, (_, i) =>
      line([i === 0 ? label : '', ...wrapped.map((lines) => lines[i] ?? '')]),
    ).join('')
  })
  const [top, middle, bottom] = look.utf8 ? ['┌┬┐', '├┼┤', '└┴┘'] : ['+++', '+++', '+++']
  return [
    rule([...(top ?? '')]),
    line(['', ...columns], (text) => bold(text, look)),
    rule([...(middle ?? '')]),
    ...body,
    rule([...(bottom ?? '')]),
  ].join('')
}

function wrap(items: Cell, width: number, gap: string): string[] {
  const lines: string[] = []
  for (const item of items) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + gap.length + item.length <= width) {
      lines[lines.length - 1] = last + gap + item
    } else {
      lines.push(item)
    }
  }
  return lines
}

/** A sentence in lines that fit. */
export function fold(text: string): string {
  return wrap(text.split(' '), WIDTH, ' ').join('\n')
}

/** One checked statement: a mark, and what was seen instead where it does not hold. */
export function drawFact(holds: boolean, text: string, seen: string, look: Look): string {
  if (holds) return `${paint('32', look.utf8 ? '✓' : 'ok', look)} ${text}\n`
  return `${paint('31', look.utf8 ? '✗' : 'NO', look)} ${text}\n   but it was ${seen}\n`
}

export function bold(text: string, look: Look): string {
  return paint('1', text, look)
}

function paint(code: string, text: string, { color }: Look): string {
  return color ? `\x1b[${code}m${text}\x1b[0m` : text
}
