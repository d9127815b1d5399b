/* An explanation for people, to be read on 80 columns. Shell lines are not broken: they can be copied. */
import { printable } from '../config/index.js'
import type { Explanation } from './explain.js'

const WIDTH = 80

/** @param color headings in bold */
export function printExplanation(it: Explanation, color: boolean): string {
  const heading = (text: string) => (color ? `\x1b[1m${text}\x1b[0m` : text)
  const sections = [
    head(it, heading),
    lines(it, heading),
    [...wrap(`${sayOutcome(it)}`, 0, heading)],
    steps(it, heading),
    list('Notes', it.notes, heading),
    list('Could not be looked at', it.unseen, heading),
  ]
  return `${sections
    .filter((section) => section.length > 0)
    .map((section) => section.join('\n'))
    .join('\n\n')}\n`
}

type Heading = (text: string) => string

function head({ user, uid, ruser, service, job, config, pam }: Explanation, heading: Heading): string[] {
  const through = service === null ? '' : `, through ${service}`
  const asked = ruser === null ? '' : `, asked for by ${ruser}`
  const files = `${config.files.join(', ')}${config.mode === 'strict' ? '' : ' (read as pam_namespace does)'}`
  return [
    ...wrap(`${user} (uid ${uid})${through}${asked}${job === null ? '' : `, in job ${job}`}`, 0, heading),
    ...wrap(`configuration  ${files}`, 17, undefined, 2),
    ...(pam === null
      ? []
      : wrap(`PAM line       ${pam.file}:${pam.line} ${pam.args.join(' ')}`.trimEnd(), 17, undefined, 2)),
  ]
}

function lines({ lines: all, config }: Explanation, heading: Heading): string[] {
  if (all.length === 0) return [heading('No lines')]
  const places = all.map(({ file, line }) => (config.files.length > 1 ? `${file}:${line}` : `${line}`))
  const rows = all.map(({ polydir, applies, why }, i) => [
    places[i] ?? '',
    polydir,
    `${applies ? 'yes' : 'no'}, ${why}`,
  ])
  const width = (column: number) => Math.max(...rows.map((row) => printable(row[column] ?? '').length))
  const [first, second] = [width(0), width(1)]
  return [
    heading('Lines, and whether they apply'),
    ...rows.flatMap(([place = '', polydir = '', why = '']) => {
      const start = `${printable(place).padStart(first)}  ${printable(polydir).padEnd(second)}  `
      return wrap(why, 2 + start.length, undefined, 2, start)
    }),
  ]
}

function sayOutcome({ outcome, why, join, exitStatus }: Explanation): string {
  switch (outcome) {
    case 'join':
      return `A session would join the namespace of session ${join?.id} (${join?.service}, process ${join?.pid}): ${why}.`
    case 'build':
      return `A session would get a new namespace, made from the host's: ${why}.`
    case 'host':
      return `A session would be in the host's view: ${why}.`
    case 'nothing':
      return `Nothing would be done: ${why}.`
    default:
      return `A session would be refused, with status ${exitStatus}: ${why}.`
  }
}

function steps({ steps: all, outcome, things }: Explanation, heading: Heading): string[] {
  if (all.length === 0) return []
  const title =
    outcome === 'build'
      ? 'That comes to the same as'
      : outcome === 'join'
        ? 'Were that one over, a new one would come to the same as'
        : 'Were it not for that, it would come to the same as'
  const refused = things.filter(({ state }) => state === 'refused')
  return [
    ...(refused.length < 2
      ? []
      : [
          ...list(
            'In the way',
            refused.map(({ role, path, why }) => `${role} ${path}: ${why}`),
            heading,
          ),
          '',
        ]),
    heading(title),
    ...all.flatMap(({ command, note }) => [
      ...(note === null ? [] : wrap(`# ${note}`, 4, undefined, 2)),
      `  ${command}`,
    ]),
    '  # and the application enters that namespace',
  ]
}

function list(title: string, items: readonly string[], heading: Heading): string[] {
  return items.length === 0 ? [] : [heading(title), ...items.flatMap((item) => wrap(item, 4, undefined, 2))]
}

/** Breaks `text` at blanks. @param indent of all lines but the first, which has `first` blanks and then `start` */
export function wrap(
  text: string,
  indent: number,
  paint: Heading = (line) => line,
  first = 0,
  start = '',
): string[] {
  const done: string[] = []
  let line = `${' '.repeat(first)}${start}`
  let isEmpty = true
  for (const word of printable(text).split(' ')) {
    if (!isEmpty && line.length + 1 + word.length > WIDTH) {
      done.push(line)
      line = `${' '.repeat(indent)}${word}`
    } else {
      line += isEmpty ? word : ` ${word}`
    }
    isEmpty = false
  }
  return [...done, line].map(paint)
}
