/*
 * What a test cannot do without. `t.test('...', { skip: needs('root', 'layer') }, ...)` leaves it out with the reason;
 * where skips are forbidden (POLYNS_FORBID_SKIP=1, set by .ci/run) a missing need is an error instead.
 */
import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, readFileSync } from 'node:fs'
import { layer } from './layer.js'

const checks = {
  /** uid 0 with the rights to make namespaces and mounts. */
  root: () => (process.geteuid?.() !== 0 ? 'needs root' : hasCapability(21) ? '' : 'needs CAP_SYS_ADMIN'),
  /** The Debian packages of packages.txt, which every Sandbox stands on. */
  layer: () => {
    if (process.geteuid?.() !== 0) return 'needs root'
    const found = layer()
    return 'reason' in found ? `needs the package layer: ${found.reason}` : ''
  },
  /** User namespaces for ordinary users. */
  userns: () => {
    const max = read('/proc/sys/user/max_user_namespaces')
    if (max === undefined || Number(max) === 0) return 'needs user namespaces (user.max_user_namespaces)'
    if (read('/proc/sys/kernel/unprivileged_userns_clone') === '0')
      return 'needs kernel.unprivileged_userns_clone=1'
    return ''
  },
  /** FUSE mounts. */
  fuse: () => (can('/dev/fuse') ? '' : 'needs /dev/fuse'),
  /** Pairs of network interfaces, to join network namespaces. */
  veth: () => {
    const add = ['--net', 'ip', 'link', 'add', 'name', 'a', 'type', 'veth', 'peer', 'name', 'b']
    const { status } = spawnSync('unshare', add)
    // 127: no `ip` on this machine. The layer has one.
    return status === 0 || status === 127 ? '' : 'needs a kernel with veth'
  },
  /** The bundle that `npm run build` makes. */
  dist: () => (existsSync(new URL('../../dist/polyns.cjs', import.meta.url)) ? '' : 'needs `npm run build`'),
}

export type Need = keyof typeof checks

/**
 * The reason for which a test that needs all of `names` must be skipped, or false if it can run.
 * @throws {Error} instead of giving a reason, where skips are forbidden
 */
export function needs(...names: Need[]): string | false {
  for (const name of names) {
    const reason = checks[name]()
    if (reason === '') continue
    if (process.env.POLYNS_FORBID_SKIP === '1') throw new Error(`${reason} (and POLYNS_FORBID_SKIP is set)`)
    return reason
  }
  return false
}

function hasCapability(bit: number): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0'
  return ((BigInt(`0x${effective}`) >> BigInt(bit)) & 1n) === 1n
}

function read(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, 'utf8').trim() : undefined
}

function can(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK)
    return true
  } catch {
    return false
  }
}
