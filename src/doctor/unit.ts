/*
 * What a unit of systemd's says of its [Service], drop-ins and all, systemd.unit(5). Only the settings that are looked for:
 * which of them keep polyns from its work, and what a drop-in has to say to lift them. Pure but for the functions that read.
 */
import { NEEDED_CAPABILITIES } from '../sys/probe.js'
import type { Host } from './host.js'

export interface Setting {
  key: string
  value: string
  file: string
  line: number
}

// The first that has a file of a name has the say about it.
const DIRECTORIES = [
  '/etc/systemd/system',
  '/run/systemd/system',
  '/usr/local/lib/systemd/system',
  '/usr/lib/systemd/system',
  '/lib/systemd/system',
]

/** @returns its settings in the order in which they count; null: there is no such unit */
export function readUnit(name: string, host: Pick<Host, 'read' | 'list'>): Setting[] | null {
  const file = DIRECTORIES.map((directory) => `${directory}/${name}`).find((path) => host.read(path) !== null)
  if (file === undefined) return null
  // ssh@.service for ssh@1.service too; service.d is for all.
  const template = name.replace(/@[^.]+\./, '@.')
  const dropIns = new Map<string, string>()
  for (const holder of new Set([name, template, 'service'])) {
    for (const directory of DIRECTORIES) {
      for (const dropIn of host.list(`${directory}/${holder}.d`) ?? []) {
        if (dropIn.endsWith('.conf') && !dropIns.has(dropIn)) {
          dropIns.set(dropIn, `${directory}/${holder}.d/${dropIn}`)
        }
      }
    }
  }
  const inOrder = [...dropIns].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, path]) => path)
  return [file, ...inOrder].flatMap((path) => parseUnit(host.read(path) ?? '', path))
}

export function parseUnit(text: string, file: string): Setting[] {
  const settings: Setting[] = []
  let section = ''
  let joined = ''
  let first = 0
  for (const [i, raw] of text.split('\n').entries()) {
    if (/^\s*[#;]/.test(raw)) continue // also between the parts of a continued line
    if (joined === '') first = i + 1
    joined += raw.replace(/\\$/, ' ')
    if (raw.endsWith('\\')) continue
    section = /^\s*\[(.+)\]\s*$/.exec(joined)?.[1] ?? section
    const [, key, value] = /^\s*(\w+)\s*=\s*(.*?)\s*$/.exec(joined) ?? []
    if (section === 'Service' && key !== undefined)
      settings.push({ key, value: value ?? '', file, line: first })
    joined = ''
  }
  return settings
}

/** One setting that stands in the way, and the lines of a drop-in that lift it. */
export interface Obstacle {
  setting: Setting
  lift: string
}

const isOn = (value: string) => /^(yes|true|on|1)$/i.test(value)

/** Each of them makes systemd install a seccomp filter, systemd.exec(5). With what lifts it. */
const FILTERS: Readonly<Record<string, { isSet: (value: string) => boolean; off: string }>> = {
  SystemCallFilter: { isSet: (value) => value !== '', off: '' },
  SystemCallArchitectures: { isSet: (value) => value !== '', off: '' },
  SystemCallLog: { isSet: (value) => value !== '', off: '' },
  RestrictAddressFamilies: { isSet: (value) => value !== '', off: '' },
  RestrictNamespaces: { isSet: (value) => value !== '' && !/^(no|false|off|0)$/i.test(value), off: 'no' },
  LockPersonality: { isSet: isOn, off: 'no' },
  MemoryDenyWriteExecute: { isSet: isOn, off: 'no' },
  PrivateDevices: { isSet: isOn, off: 'no' },
  ProtectClock: { isSet: isOn, off: 'no' },
  ProtectHostname: { isSet: (value) => !/^(|no|false|off|0)$/i.test(value), off: 'no' },
  ProtectKernelLogs: { isSet: isOn, off: 'no' },
  ProtectKernelModules: { isSet: isOn, off: 'no' },
  ProtectKernelTunables: { isSet: isOn, off: 'no' },
  RestrictRealtime: { isSet: isOn, off: 'no' },
  RestrictSUIDSGID: { isSet: isOn, off: 'no' },
}

/** Each of them gives the service a mount namespace of its own. */
const NAMESPACES: Readonly<Record<string, { isSet: (value: string) => boolean; off: string }>> = {
  PrivateTmp: { isSet: (value) => !/^(|no|false|off|0)$/i.test(value), off: 'no' },
  PrivateMounts: { isSet: isOn, off: 'no' },
  ProtectSystem: { isSet: (value) => !/^(|no|false|off|0)$/i.test(value), off: 'no' },
  ProtectHome: { isSet: (value) => !/^(|no|false|off|0)$/i.test(value), off: 'no' },
  ProtectControlGroups: { isSet: (value) => !/^(|no|false|off|0)$/i.test(value), off: 'no' },
  ProtectProc: { isSet: (value) => !/^(|default)$/i.test(value), off: 'default' },
  ReadOnlyPaths: { isSet: (value) => value !== '', off: '' },
  ReadWritePaths: { isSet: (value) => value !== '', off: '' },
  InaccessiblePaths: { isSet: (value) => value !== '', off: '' },
  ExecPaths: { isSet: (value) => value !== '', off: '' },
  NoExecPaths: { isSet: (value) => value !== '', off: '' },
  TemporaryFileSystem: { isSet: (value) => value !== '', off: '' },
  BindPaths: { isSet: (value) => value !== '', off: '' },
  BindReadOnlyPaths: { isSet: (value) => value !== '', off: '' },
}

/** Settings of one table that are in force; the last one of each key has the say. */
function inForce(settings: readonly Setting[], table: typeof FILTERS): Obstacle[] {
  return Object.entries(table).flatMap(([key, { isSet, off }]) => {
    const last = settings.filter((setting) => setting.key === key).at(-1)
    return last === undefined || !isSet(last.value) ? [] : [{ setting: last, lift: `${key}=${off}` }]
  })
}

export const seccompIn = (settings: readonly Setting[]): Obstacle[] => inForce(settings, FILTERS)

/** PrivateDevices and some others of the filters do both; they are with those. */
export const namespaceIn = (settings: readonly Setting[]): Obstacle[] => inForce(settings, NAMESPACES)

/** The capabilities that polyns needs and CapabilityBoundingSet= leaves out. */
export function capabilitiesIn(settings: readonly Setting[]): (Obstacle & { missing: string[] })[] {
  let kept = new Set(NEEDED_CAPABILITIES)
  let isUntouched = true
  const sets = settings.filter(({ key }) => key === 'CapabilityBoundingSet')
  for (const { value } of sets) {
    const names = value.replace(/^~/, '').toUpperCase().split(/\s+/)
    const listed = NEEDED_CAPABILITIES.filter((name) => names.includes(name))
    if (value === '') kept = new Set()
    else if (value === '~') kept = new Set(NEEDED_CAPABILITIES)
    else if (value.startsWith('~')) kept = new Set([...kept].filter((name) => !listed.includes(name)))
    else kept = new Set(isUntouched ? listed : [...kept, ...listed]) // the first list begins at none
    isUntouched = false
  }
  const setting = sets.at(-1)
  const missing = NEEDED_CAPABILITIES.filter((name) => !kept.has(name))
  if (setting === undefined || missing.length === 0) return []
  return [{ setting, missing, lift: `CapabilityBoundingSet=${missing.join(' ')}` }]
}
