/* The lines that call polyns, in all stacks of this host: what the checks of PAM stacks go through. */
import type { Host } from './host.js'
import { type PolynsCall, polynsCalls, sessionEntries } from './pamline.js'
import type { PamEntry, PamStack } from './pamstack.js'

export interface CallInStack extends PolynsCall {
  service: string
  stack: PamStack
  /** The session lines of the stack, in their order. */
  session: readonly PamEntry[]
}

/** The first call of each stack: what comes later joins what it has made. */
export function callsOf({ stacks }: Pick<Host, 'stacks'>): CallInStack[] {
  return [...stacks].flatMap(([service, stack]) => {
    const [call] = polynsCalls(stack.entries)
    if (call === undefined) return []
    return [{ ...call, service, stack, session: sessionEntries(stack.entries) }]
  })
}

/** Each line once, with the services that have it, however many include its file. */
export function callLines(host: Pick<Host, 'stacks'>): (CallInStack & { services: string[] })[] {
  const byPlace = new Map<string, CallInStack & { services: string[] }>()
  for (const call of callsOf(host)) {
    const found = byPlace.get(placeOf(call.entry))
    if (found === undefined) byPlace.set(placeOf(call.entry), { ...call, services: [call.service] })
    else found.services.push(call.service)
  }
  return [...byPlace.values()]
}

export function placeOf({ file, line }: { file: string; line: number }): string {
  return `${file}:${line}`
}

/** What hands on to polyns, and so to root, variables that a user has written: pam_env with `user_readenv`, in any part. */
export function readsUserEnvironment({ module, args }: PamEntry): boolean {
  const last = args.filter((word) => word.startsWith('user_readenv=')).at(-1)
  return module === 'pam_env.so' && last !== undefined && last !== 'user_readenv=0'
}

/** pam_selinux without `close` sets the context of the next exec, which is that of polyns. */
export function setsContext({ module, args }: PamEntry): boolean {
  return module === 'pam_selinux.so' && !args.includes('close')
}

/** Whether SELinux decides here; null: it is off. */
export function selinuxMode(host: Pick<Host, 'read'>): 'enforcing' | 'permissive' | null {
  const enforce = host.read('/sys/fs/selinux/enforce')
  if (enforce === null) return null
  return enforce.trim() === '1' ? 'enforcing' : 'permissive'
}

/** The first session line that must not come before polyns, as the check `pam-order` has it. */
export function firstToFollow(
  { entries }: PamStack,
  { isSelinux }: { isSelinux: boolean },
): PamEntry | undefined {
  const isAdopted = entries.some(({ module }) => module === 'pam_slurm_adopt.so')
  return sessionEntries(entries).find(
    (entry) =>
      entry.module === 'pam_mount.so' ||
      (entry.module === 'pam_systemd.so' && isAdopted) ||
      (isSelinux && setsContext(entry)),
  )
}
