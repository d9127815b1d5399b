/* An inspection for people, to be read on 80 columns. */
import { printable } from '../config/index.js'
import type { Inspection, PrivateDirectory } from '../doctor/inspect.js'
import { sayDifference, sayDirectory, timeOf } from '../doctor/inspect-words.js'
import type { SessionRecord } from '../session/registry.js'
import { wrap } from './explain-text.js'

type NameOf = (uid: number) => string | null
type Heading = (text: string) => string

/** @param color headings in bold */
export function printInspection(it: Inspection, nameOf: NameOf, color: boolean): string {
  const heading = (text: string) => (color ? `\x1b[1m${text}\x1b[0m` : text)
  const sections = [
    head(it, nameOf, heading),
    directories(it, heading),
    differences(it, heading),
    unseen(it, heading),
  ]
  return `${sections
    .filter((section) => section.length > 0)
    .map((section) => section.join('\n'))
    .join('\n\n')}\n`
}

function head(it: Inspection, nameOf: NameOf, heading: Heading): string[] {
  const { pid, tid, command, uid } = it.process
  const which = tid === null ? `process ${pid}` : `thread ${tid} of process ${pid}`
  const rows = [
    ['session', it.session === null ? noSession(it) : saySession(it.session)],
    ...it.sharedWith.map((record) => ['shared with', saySession(record)]),
    ...(it.job === null ? [] : [['job', it.job]]),
    ['namespace', sayNamespace(it, nameOf)],
  ]
  return [
    ...wrap(`${which} (${command}), ${person(uid, nameOf)}`, 2, heading),
    ...rows.flatMap(([name = '', text = '']) => wrap(text, 15, undefined, 2, `${name.padEnd(11)}  `)),
  ]
}

function person(uid: number, nameOf: NameOf): string {
  const name = nameOf(uid)
  return name === null ? `uid ${uid}` : `${name} (uid ${uid})`
}

function saySession({ id, user, service, rhost, leader, opened }: SessionRecord): string {
  const from = rhost === null ? '' : ` from ${rhost}`
  return `${id} of ${user}, ${service}${from}, process ${leader.pid}, opened ${timeOf(new Date(opened))}`
}

function noSession({ namespace, sharedWith, unseen: notSeen }: Inspection): string {
  if (notSeen.some((text) => text.startsWith('sessions'))) return 'not known'
  if (namespace.kind !== 'polyns') return 'none'
  return sharedWith.length === 0 ? 'none that is still open' : 'not known: it has outlived its parent'
}

function sayNamespace({ namespace: it }: Inspection, nameOf: NameOf): string {
  switch (it.kind) {
    case 'host':
      return "the host's own: it sees what the host has"
    case 'polyns':
      return `a private one of ${person(it.uid, nameOf)}${it.made === null ? '' : `, made ${timeOf(it.made)}`}`
    case 'unknown':
      return "the host's, or one that another program than polyns made"
    default:
      return `made by another program than polyns${it.unit === null ? '' : `; the process is in ${it.unit}`}`
  }
}

function directories({ directories: all }: Inspection, heading: Heading): string[] {
  if (all.length === 0) return []
  const width = Math.max(...all.map(({ polydir }) => printable(polydir).length))
  const say = (it: PrivateDirectory) => {
    const problem = sayDirectory(it)
    return `${it.instance ?? 'a tmpfs'}${problem === null ? '' : `; it ${problem}`}`
  }
  return [
    heading('Private directories'),
    ...all.flatMap((it) =>
      wrap(say(it), width + 4, undefined, 2, `${printable(it.polydir).padEnd(width)}  `),
    ),
  ]
}

function differences(it: Inspection, heading: Heading): string[] {
  if (it.differences === null || it.namespace.kind === 'host') return []
  if (it.differences.length === 0) return [heading("Differences from the host's view: none besides")]
  return [
    heading("Differences from the host's view"),
    ...it.differences.flatMap((difference) => {
      const { what, why, cures } = sayDifference(difference, it)
      return [
        ...wrap(what, 4, undefined, 2),
        ...wrap(why, 4, undefined, 4),
        ...cures.flatMap(({ command, purpose }) => [
          `      ${command}`,
          ...wrap(`# ${purpose}`, 8, undefined, 8),
        ]),
      ]
    }),
  ]
}

function unseen({ unseen: all }: Inspection, heading: Heading): string[] {
  return all.length === 0
    ? []
    : [heading('Could not be looked at'), ...all.flatMap((text) => wrap(text, 4, undefined, 2))]
}
