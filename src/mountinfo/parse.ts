/*
 * /proc/PID/mountinfo: text to mounts. Pure. One line, proc_pid_mountinfo(5):
 *
 *   36 35 98:0 /mnt1 /mnt2 rw,noatime shared:7 master:1 - ext3 /dev/root rw,errors=continue
 *   |  |  |    |     |     |          |                 | |    |         |
 *   id |  dev  root  point options    optional fields   | type source    options of the superblock
 *      parent                         none, or more     end of them
 */
import { quote } from '../sys/call.js'
import { UnsupportedError } from '../sys/errors.js'

declare const brand: unique symbol
/** A mount's id while it exists; the kernel gives it out again afterwards. */
export type MountId = number & { readonly [brand]: 'MountId' }

/** A private mount has none of these. */
export interface Propagation {
  /** The peer group that events are exchanged with. */
  readonly shared?: number
  /** The peer group that events are received from. */
  readonly master?: number
  /** The nearest peer group above `master` that this process can see, where it cannot see that one. */
  readonly propagateFrom?: number
  readonly unbindable?: true
}

export interface Mount {
  readonly id: MountId
  /** The mount that this one is mounted on. The topmost mount's is not in the table. */
  readonly parentId: MountId
  /** `major:minor`. */
  readonly dev: string
  /** Which directory of the file system is mounted. The kernel appends `//deleted` to one that was removed. */
  readonly root: string
  /** As seen from the root directory of the process whose table this is. */
  readonly mountPoint: string
  readonly options: readonly string[]
  readonly propagation: Propagation
  readonly fstype: string
  readonly source: string
  readonly superOptions: readonly string[]
  /** Never given out again, and higher for a mount that came later, in whatever namespace. mountinfo does not tell it. */
  readonly uniqueId?: bigint
}

/** @throws {UnsupportedError} naming the line that is no mount: no kernel that polyns runs on writes one */
export function parseMountinfo(text: string): Mount[] {
  const mounts: Mount[] = []
  for (const [index, line] of text.split('\n').entries()) {
    if (line === '') continue
    const mount = parseLine(line)
    if (mount === null)
      throw new UnsupportedError(`line ${index + 1} of mountinfo`, `${quote(line)} is no mount`)
    mounts.push(mount)
  }
  return mounts
}

/** Which directory of which file system each mount is: for those who look for a few among the tables of very many namespaces. */
export function parseRoots(text: string): Pick<Mount, 'dev' | 'root'>[] {
  return text.split('\n').flatMap((line) => {
    if (line === '') return []
    const [, , dev, root] = line.split(' ', 4)
    if (!isDevice(dev) || !root)
      throw new UnsupportedError('a line of mountinfo', `${quote(line)} is no mount`)
    return [{ dev, root: unescapeOctal(root) }]
  })
}

function parseLine(line: string): Mount | null {
  // Every field's own spaces are written as \040, so each one here is a separator. A source can be empty.
  const fields = line.split(' ')
  const end = fields.indexOf('-', 6)
  const [id, parentId, dev, root, mountPoint, options] = fields
  const [fstype, source, superOptions] = fields.slice(end + 1)
  const propagation = end < 0 ? null : parsePropagation(fields.slice(6, end))
  if (!isNumber(id) || !isNumber(parentId) || !isDevice(dev) || propagation === null) return null
  if (!root || !mountPoint?.startsWith('/') || !options) return null
  if (!fstype || source === undefined || superOptions === undefined || fields.length !== end + 4) return null
  return {
    id: Number(id) as MountId,
    parentId: Number(parentId) as MountId,
    dev,
    root: unescapeOctal(root),
    mountPoint: unescapeOctal(mountPoint),
    options: splitOptions(options),
    propagation,
    fstype: unescapeOctal(fstype),
    source: unescapeOctal(source),
    superOptions: splitOptions(superOptions),
  }
}

const NUMBERED = { shared: 'shared', master: 'master', propagate_from: 'propagateFrom' } as const

/** @returns null when a known field has no number. Unknown ones are passed over, as proc_pid_mountinfo(5) asks. */
function parsePropagation(fields: readonly string[]): Propagation | null {
  const propagation: { -readonly [K in keyof Propagation]: Propagation[K] } = {}
  for (const field of fields) {
    const [name = '', value] = field.split(':', 2)
    if (field === 'unbindable') propagation.unbindable = true
    if (!isNumberedField(name)) continue
    if (!isNumber(value)) return null
    propagation[NUMBERED[name]] = Number(value)
  }
  return propagation
}

function isNumberedField(name: string): name is keyof typeof NUMBERED {
  return Object.hasOwn(NUMBERED, name)
}

const isNumber = (field: string | undefined): field is string => /^\d+$/.test(field ?? '')
const isDevice = (field: string | undefined): field is string => /^\d+:\d+$/.test(field ?? '')

/** A comma inside an option is written as \054, so the list is split before that is undone. */
function splitOptions(field: string): string[] {
  return field.split(',').map(unescapeOctal)
}

/** The kernel writes space, tab, line feed, backslash and a few more as `\` and three octal digits, byte by byte. */
function unescapeOctal(field: string): string {
  if (!field.includes('\\')) return field
  return field.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  )
}
