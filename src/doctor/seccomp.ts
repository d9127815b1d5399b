/*
 * What of a unit's settings makes a seccomp filter that polyns cannot work under, systemd.exec(5): SystemCallFilter= without
 * its calls, no mount namespaces, or no code made at run time, which Node.js needs. Other filters are no obstacle. Pure.
 */
import { type Obstacle, type Setting, seccompIn } from './unit.js'

/** By the sets of systemd that they are in. */
const CALLS: Readonly<Record<string, readonly string[]>> = {
  '@process': ['pidfd_open', 'pidfd_send_signal', 'setns', 'unshare'],
  '@debug': ['pidfd_getfd', 'ptrace'],
  '@file-system': ['fchdir', 'openat2', 'statx'],
  '@mount': ['fsconfig', 'fsmount', 'fsopen', 'mount', 'mount_setattr', 'move_mount', 'open_tree'],
}
const SETS: Readonly<Record<string, readonly string[]>> = {
  ...CALLS,
  '@system-service': [...(CALLS['@process'] ?? []), ...(CALLS['@file-system'] ?? [])],
  '@known': Object.values(CALLS).flat(),
}

/** @returns each such setting, what polyns needs instead, and the line of a drop-in that gives it */
export function forbiddenIn(settings: readonly Setting[]): (Obstacle & { needs: string })[] {
  return seccompIn(settings).flatMap(({ setting, lift }) => {
    switch (setting.key) {
      case 'SystemCallFilter': {
        const forbidden = forbiddenCalls(settings.filter(({ key }) => key === setting.key))
        // Whichever kind of list the first line has begun, a later one without ~ allows what it names.
        const sets = Object.keys(CALLS).filter((set) => CALLS[set]?.some((call) => forbidden.has(call)))
        if (sets.length === 0) return []
        return [{ setting, lift: `SystemCallFilter=${sets.join(' ')}`, needs: [...forbidden].join(' ') }]
      }
      case 'RestrictNamespaces':
        return allowsMountNamespaces(setting.value) ? [] : [{ setting, lift, needs: 'mount namespaces' }]
      case 'MemoryDenyWriteExecute':
        return [{ setting, lift, needs: 'code made at run time, for Node.js' }]
      default:
        return []
    }
  })
}

/** Of the calls that polyns needs. The first list decides whether what is not named is allowed. */
function forbiddenCalls(lines: readonly Setting[]): Set<string> {
  const all = Object.values(CALLS).flat()
  let forbidden: Set<string> | null = null
  for (const { value } of lines) {
    if (value === '') {
      forbidden = null
      continue
    }
    const isDenied = value.startsWith('~')
    forbidden ??= new Set(isDenied ? [] : all)
    // `mount:EPERM` says what a forbidden call gets.
    const words = value.replace(/^~/, '').split(/\s+/)
    const calls = words.map((word) => word.replace(/:.*/, '')).flatMap((name) => SETS[name] ?? [name])
    for (const call of calls.filter((name) => all.includes(name))) {
      if (isDenied) forbidden.add(call)
      else forbidden.delete(call)
    }
  }
  return forbidden ?? new Set()
}

/** A list names those that are allowed, with ~ those that are not. */
function allowsMountNamespaces(value: string): boolean {
  if (/^(yes|true|on|1)$/i.test(value)) return false
  const named = value.replace(/^~/, '').split(/\s+/).includes('mnt')
  return value.startsWith('~') ? !named : named
}
