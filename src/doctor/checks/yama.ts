/* Yama's ptrace_scope: 3 takes ptrace from everybody until the next boot, and adoption is done by ptrace. */
import { command } from '../../propagation/step.js'
import { type Check, error, type Finding, ok, warning } from '../finding.js'
import type { Host } from '../host.js'

const NOW = '/proc/sys/kernel/yama/ptrace_scope'
const NAME = /^\s*-?\s*kernel[./]yama[./]ptrace_scope\s*=\s*(\d+)\s*$/
// sysctl.d(5): of files with one name the first counts, and they are read in the order of their names.
const DIRECTORIES = ['/etc/sysctl.d', '/run/sysctl.d', '/usr/local/lib/sysctl.d', '/usr/lib/sysctl.d']

export const yama: Check = {
  id: 'yama',
  title: 'Yama lets root use ptrace',
  status: 4,
  run: (host) => judgeYama(host),
}

/** One line of a file that sets it. */
interface Setting {
  file: string
  line: number
  value: string
}

export function judgeYama(host: Pick<Host, 'read' | 'list'>): Finding[] {
  const now = host.read(NOW)?.trim()
  if (now === undefined) return []
  const atBoot = lastSetting(host)
  const forbids = atBoot?.value === '3'
  const change = forbids ? mend(atBoot) : []
  const where = atBoot === null ? '' : `, and ${atBoot.file}:${atBoot.line} sets ${atBoot.value}`
  if (now === '3') {
    const why =
      'no application can be moved into its namespace: every login is refused. Only a boot takes this back, so reboot ' +
      (forbids ? 'after this' : 'once nothing sets it any more')
    return [error(`kernel.yama.ptrace_scope is 3${where}`, why, ...change)]
  }
  if (forbids) {
    const why = 'after the next boot nobody may use ptrace, and every login is refused'
    return [warning(`kernel.yama.ptrace_scope is ${now}${where}`, why, ...change)]
  }
  return [ok(`kernel.yama.ptrace_scope is ${now}${where}`)]
}

function lastSetting(host: Pick<Host, 'read' | 'list'>): Setting | null {
  const files = new Map<string, string>()
  for (const directory of DIRECTORIES) {
    for (const name of host.list(directory) ?? []) {
      if (name.endsWith('.conf') && !files.has(name)) files.set(name, `${directory}/${name}`)
    }
  }
  const inOrder = [...files].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, file]) => file)
  const found = [...inOrder, '/etc/sysctl.conf'].flatMap((file) =>
    (host.read(file) ?? '').split('\n').flatMap((text, i): Setting[] => {
      const value = NAME.exec(text)?.[1]
      return value === undefined ? [] : [{ file, line: i + 1, value }]
    }),
  )
  return found.at(-1) ?? null
}

function mend({ file, line }: Setting): string[] {
  if (file.startsWith('/etc/')) return [command('sed', '-i', '--follow-symlinks', `${line}s/3/1/`, file)]
  return ["printf '%s\\n' 'kernel.yama.ptrace_scope = 1' >/etc/sysctl.d/zz-polyns-yama.conf"]
}
