/*
 * The picture of `polyns list`: users, below them their namespaces, in each the sessions that share it and what it has of its
 * own; then what no session has. Columns are as wide as in the whole picture, so that the eye can run down them. Pure.
 */
import { printable } from '../config/index.js'
import { bold, type Look } from './demo/picture.js'
import { type Holding, isOpen, type Machine, type SessionView } from './list-types.js'
import { ageWords, many, usageWords } from './list-words.js'

/** A wider cell is not cut: its own line is longer, the others stay readable. */
const MAX_COLUMN = 32

interface Line {
  /** What is drawn before it. */
  tree: string
  cells: readonly string[]
  /** Only lines of one kind are in columns with each other; null: no columns. */
  kind: 'session' | 'mount' | 'rest' | 'unknown' | null
  isHeading?: boolean
}

export function drawList(machine: Machine, look: Look, now: number): string {
  const lines = [...drawUsers(machine, look), ...drawRest(machine, now)]
  const text = layOut(lines, look)
  const notes = machine.notes.map((note) => `! ${printable(note)}\n`).join('')
  return `${text}${text === '' ? '' : '\n'}${summary(machine)}\n${notes}`
}

/** In the order in which they come. */
function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): T[][] {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const key = keyOf(item)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [item])
    else group.push(item)
  }
  return [...groups.values()]
}

export const namespacesOf = (sessions: readonly SessionView[]): SessionView[][] =>
  groupBy(sessions, ({ record }) => record.namespace)

export const usersOf = (sessions: readonly SessionView[]): SessionView[][] =>
  groupBy(sessions, ({ record }) => `${record.uid} ${record.user}`)

function drawUsers({ sessions, holdings }: Machine, look: Look): Line[] {
  const byPath = new Map(holdings.map((holding) => [holding.path, holding]))
  return usersOf(sessions).flatMap((his) => {
    const { user, uid } = his[0]?.record ?? { user: '', uid: 0 }
    const namespaces = namespacesOf(his).map((shared) => drawNamespace(shared, byPath))
    return [
      { tree: '', cells: [`${user} (${uid})`], kind: null, isHeading: true },
      ...hang(
        namespaces.map(([top, ...below]) => [
          ...(top === undefined ? [] : [top]),
          ...hang(
            below.map((one) => [one]),
            look,
          ),
        ]),
        look,
      ),
    ]
  })
}

/** Puts each branch, its first line and what hangs on that, on a common trunk. */
function hang(branches: readonly (readonly Line[])[], { utf8 }: Look): Line[] {
  const [fork, last, bar, gap] = utf8 ? ['├─ ', '└─ ', '│  ', '   '] : ['|- ', '`- ', '|  ', '   ']
  return branches.flatMap((lines, i) => {
    const isLast = i === branches.length - 1
    const [first, rest] = isLast ? [last, gap] : [fork, bar]
    return lines.map((line, j) => ({ ...line, tree: `${j === 0 ? first : rest}${line.tree}` }))
  })
}

/** A session that has a namespace for itself stands for it; several have a line above them. */
function drawNamespace(shared: readonly SessionView[], byPath: ReadonlyMap<string, Holding>): Line[] {
  const [only, ...others] = shared
  if (only === undefined) return []
  const mounts = only.record.mounts.map(({ polydir, instance }) =>
    mountLine(polydir, instance === null ? null : (byPath.get(instance) ?? instance)),
  )
  if (others.length === 0) return [sessionLine(only, processWords(shared)), ...mounts]
  const words = `namespace shared by ${many(shared.length, 'session')}, ${processWords(shared)}`
  return [{ tree: '', cells: [words], kind: null }, ...shared.map((view) => sessionLine(view, '')), ...mounts]
}

function processWords(shared: readonly SessionView[]): string {
  const counts = shared.flatMap(({ processes }) => processes ?? [])
  return counts.length === 0 ? 'processes not known' : many(Math.max(...counts), 'process', 'processes')
}

function sessionLine(view: SessionView, processes: string): Line {
  const { service, rhost, tty, job, leader } = view.record
  const from = rhost !== null ? `from ${rhost}` : tty !== null ? `on ${tty}` : ''
  const age = ageWords(view.ageMs)
  const state = isOpen(view) ? `for ${age}` : `ENDED, was opened ${age} ago`
  return {
    tree: '',
    kind: 'session',
    cells: [service, from, job === null ? '' : `job ${job}`, `pid ${leader.pid}`, state, processes],
  }
}

function mountLine(polydir: string, instance: Holding | string | null): Line {
  const cells =
    instance === null
      ? ['tmpfs', '']
      : typeof instance === 'string'
        ? [instance, '']
        : [instance.path, usageWords(instance.usage)]
  return { tree: '', kind: 'mount', cells: [polydir, '=', ...cells] }
}

const SECTIONS: readonly [Holding['kind'], string][] = [
  ['ended', 'of ended sessions, until their last process has gone'],
  ['left', 'without a session: for the next login, or for polyns reap'],
  ['leftover', 'set aside, for polyns reap to delete'],
]

function drawRest({ holdings, unknown }: Machine, now: number): Line[] {
  const section = (title: string, kind: Line['kind'], rows: readonly (readonly string[])[]): Line[] =>
    rows.length === 0
      ? []
      : [
          { tree: '', cells: [title], kind: null, isHeading: true },
          ...rows.map((cells): Line => ({ tree: '   ', cells, kind })),
        ]
  return [
    ...SECTIONS.flatMap(([kind, title]) =>
      section(
        title,
        'rest',
        holdings.filter((holding) => holding.kind === kind).map((holding) => restCells(holding, now)),
      ),
    ),
    ...section(
      'not known whose',
      'unknown',
      unknown.map(({ path, why }) => [path, why]),
    ),
  ]
}

function restCells({ path, user, job, usage }: Holding, now: number): string[] {
  const changed = usage === null ? '' : `changed ${ageWords(now - usage.changedMs)} ago`
  return [path, user ?? '', job === null ? '' : `job ${job}`, usageWords(usage), changed]
}

/** Columns that are empty everywhere are left out. */
function layOut(lines: readonly Line[], look: Look): string {
  const drawn = lines.map(({ tree, cells: [first = '', ...cells], ...line }) => ({
    ...line,
    cells: [`${tree}${printable(first)}`, ...cells.map(printable)],
  }))
  const widths = new Map<Line['kind'], number[]>()
  for (const { kind, cells } of drawn) {
    const known = widths.get(kind) ?? []
    for (const [i, cell] of cells.entries())
      known[i] = Math.max(known[i] ?? 0, cell.length > MAX_COLUMN ? 0 : cell.length)
    widths.set(kind, known)
  }
  return drawn
    .map(({ cells, kind, isHeading }, i) => {
      if (isHeading === true) return `${i === 0 ? '' : '\n'}${bold(cells.join(''), look)}\n`
      const columns = cells.flatMap((cell, i) => {
        const width = kind === null ? 0 : (widths.get(kind)?.[i] ?? 0)
        return width === 0 && cell === '' ? [] : cell.padEnd(width)
      })
      return `${columns.join('  ').trimEnd()}\n`
    })
    .join('')
}

function summary({ sessions, holdings }: Machine): string {
  const open = sessions.filter(isOpen)
  if (sessions.length === 0 && holdings.length === 0) return 'no sessions'
  const measured = holdings.flatMap(({ usage }) => usage ?? [])
  const total = {
    bytes: measured.reduce((sum, { bytes }) => sum + bytes, 0),
    complete: measured.length === holdings.length && measured.every(({ complete }) => complete),
  }
  const counts = [
    open.length === 0 ? 'no sessions' : many(open.length, 'session'),
    many(usersOf(open).length, 'user'),
    many(namespacesOf(open).length, 'namespace'),
    many(holdings.length, 'private directory', 'private directories'),
  ]
  return measured.length === 0 ? counts.join(', ') : `${counts.join(', ')} with ${usageWords(total)}`
}
