/* Whether polyns' answer counts, and whether it is asked at all: the control words of its line, and of those before it. */
import { type Check, type Finding, note, ok, warning } from '../finding.js'
import { type CallInStack, callLines, callsOf, placeOf } from '../pamcalls.js'
import { moveBefore, replaceIn } from '../pamedit.js'
import { linesThatSkip, passesFailure, placeBefore } from '../pamline.js'
import type { PamEntry } from '../pamstack.js'

export const pamControl: Check = {
  id: 'pam-control',
  title: "No session opens without polyns' consent",
  status: 1,
  run(host) {
    const lines = callLines(host)
    if (lines.length === 0) return []
    const findings = [...lines.flatMap(judgeOwn), ...skippers(callsOf(host))]
    return findings.length === 0 ? [ok(`required in ${lines.length} lines`)] : findings
  },
}

function judgeOwn({ entry }: CallInStack): Finding[] {
  if (!passesFailure(entry.control)) return []
  const why =
    "when polyns fails, the session opens in the host's view and nobody is told; where that is meant, write required and " +
    '--fail-open, which tells the system log'
  const written = entry.control.startsWith('[') ? '\\[[^]]*\\]' : entry.control
  return [
    warning(`${placeOf(entry)}: control ${entry.control}`, why, ...replaceIn(entry, written, 'required')),
  ]
}

function skippers(calls: readonly CallInStack[]): Finding[] {
  const seen = new Set<string>()
  return calls.flatMap((call) =>
    linesThatSkip(call.session, call.index).flatMap((other) => {
      const key = `${placeOf(call.entry)} ${placeOf(other)}`
      if (seen.has(key)) return []
      seen.add(key)
      return [judgeSkip(call.entry, other)]
    }),
  )
}

function judgeSkip(entry: PamEntry, other: PamEntry): Finding {
  const saw = `${placeOf(other)}: ${other.control} ${other.module} can pass over ${placeOf(entry)}, which calls polyns`
  const place = placeBefore(entry, other)
  const mend = place === null ? [] : moveBefore(entry, place)
  if (other.module === 'pam_succeed_if.so') {
    const why =
      "whom this line concerns is in the host's view; the last column of the configuration is the place to say so"
    return note(saw, why, ...mend)
  }
  return warning(saw, "then the session opens in the host's view, and nobody is told", ...mend)
}
