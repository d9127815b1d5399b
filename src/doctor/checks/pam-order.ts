/* The place of polyns' line among those of modules that it gets on with in one order only. */
import { type Check, error, type Finding, note, ok, warning } from '../finding.js'
import type { Host } from '../host.js'
import { type CallInStack, callsOf, placeOf, selinuxMode, setsContext } from '../pamcalls.js'
import { moveBefore, moveToEnd } from '../pamedit.js'
import { placeBefore } from '../pamline.js'
import type { PamEntry } from '../pamstack.js'

export const pamOrder: Check = {
  id: 'pam-order',
  title: "polyns' line has its place in each stack",
  status: 1,
  run(host) {
    const calls = callsOf(host)
    if (calls.length === 0) return []
    const findings = calls.flatMap((call) => judge(call, host))
    const once = findings.filter(({ saw }, i) => findings.findIndex((other) => other.saw === saw) === i)
    return once.length === 0 ? [ok(`in ${calls.length} stacks`)] : once
  },
}

function judge(call: CallInStack, host: Host): Finding[] {
  const { entry, session, stack, index } = call
  const before = session.slice(0, index)
  const after = session.slice(index + 1)
  const isAdopted = stack.entries.some(({ module }) => module === 'pam_slurm_adopt.so')
  const mode = selinuxMode(host)
  const asks = (word: (rule: Host['rules'][number]) => boolean) => host.rules.some(word)
  const findings: Finding[] = []

  for (const other of mode === null ? [] : before.filter(setsContext)) {
    const why = "polyns is then run in the user's SELinux context, in which the policy lets it do nothing"
    findings.push(
      (mode === 'enforcing' ? error : warning)(...say(other, 'before', call), why, ...ahead(entry, other)),
    )
  }
  for (const other of before.filter(isModule('pam_mount.so'))) {
    const why =
      'its volume is mounted on the host, but unmounted in the session: it stays there after the last logout, open to root and ' +
      'to whomever its mode allows'
    findings.push(warning(...say(other, 'before', call), why, ...ahead(entry, other)))
  }
  if (asks(({ polydir }) => polydir.includes('$HOME'))) {
    for (const other of after.filter(isModule('pam_mount.so'))) {
      const why =
        'a home directory that it mounts covers the private directory in it; say which of the two is to come first'
      findings.push(warning(...say(other, 'after', call), why))
    }
  }
  for (const other of isAdopted ? before.filter(isModule('pam_systemd.so')) : []) {
    const why =
      "it moves the login out of the job that pam_slurm_adopt has put it in: with scope=job the user's directory is found in " +
      "place of the job's. Slurm's own guide has pam_systemd taken out of this stack"
    findings.push(warning(...say(other, 'before', call), why, ...ahead(entry, other)))
  }
  for (const other of after.filter(isModule('pam_slurm_adopt.so'))) {
    const why =
      "the login is not in its job yet: with scope=job the user's directory is found in place of the job's"
    findings.push(warning(...say(other, 'after', call), why, ...behind(entry)))
  }
  if (!isAdopted && asks(({ scope }) => scope === 'session')) {
    for (const other of after.filter(isModule('pam_systemd.so'))) {
      const why =
        "logind's XDG_SESSION_ID is not known yet: directories of scope=session are named by another id"
      findings.push(note(...say(other, 'after', call), why, ...behind(entry)))
    }
  }
  return findings
}

const isModule =
  (name: string) =>
  ({ module }: PamEntry) =>
    module === name

/** What is seen, as the first argument of a finding. */
function say(other: PamEntry, where: 'before' | 'after', { entry }: CallInStack): [string] {
  return [`${placeOf(other)}: ${other.module} comes ${where} polyns (${placeOf(entry)})`]
}

function ahead(entry: PamEntry, other: PamEntry): string[] {
  const place = placeBefore(entry, other)
  return place === null ? [] : moveBefore(entry, place)
}

/** At the end of the service's own file it is behind all others. */
function behind(entry: PamEntry): string[] {
  return entry.trail.length === 1 ? moveToEnd(entry) : []
}
