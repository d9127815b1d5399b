/* A unified diff of two texts that differ in one place, as all the changes of install do. Pure. */

const CONTEXT = 3

/** @param before null: there is no such file */
export function unifiedDiff(path: string, before: string | null, after: string | null): string {
  const [old, now] = [linesOf(before), linesOf(after)]
  const common = Math.min(old.length, now.length)
  let head = 0
  while (head < common && old[head] === now[head]) head++
  let tail = 0
  while (tail < common - head && old.at(-1 - tail) === now.at(-1 - tail)) tail++
  if (head === old.length && head === now.length) return ''
  const from = Math.max(0, head - CONTEXT)
  const tailShown = Math.min(CONTEXT, tail)
  const hunk = [
    ...old.slice(from, head).map((line) => ` ${line}`),
    ...old.slice(head, old.length - tail).map((line) => `-${line}`),
    ...now.slice(head, now.length - tail).map((line) => `+${line}`),
    ...old.slice(old.length - tail, old.length - tail + tailShown).map((line) => ` ${line}`),
  ]
  const range = (lines: readonly string[]) => {
    const count = lines.length - tail + tailShown - from
    return `${count === 0 ? from : from + 1},${count}`
  }
  const names = [`--- ${before === null ? '/dev/null' : path}`, `+++ ${after === null ? '/dev/null' : path}`]
  return `${[...names, `@@ -${range(old)} +${range(now)} @@`, ...hunk].join('\n')}\n`
}

function linesOf(text: string | null): string[] {
  return text === null || text === '' ? [] : text.replace(/\n$/, '').split('\n')
}
