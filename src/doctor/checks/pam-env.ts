/*
 * pam_env with user_readenv=1 takes variables from the user's ~/.pam_environment, and pam_exec starts its program with them, as
 * root. LD_PRELOAD is obeyed by the loader of whatever has one, before a line of it runs: a script has its shell's. bin/polyns
 * has none, and passes on none of it.
 * Where the line stands makes no difference: what comes after polyns is there when the session is closed.
 * Seen with Debian 12's stack of sshd, which has it.
 */
import { startedBy, startsAlone } from '../elf.js'
import { type Check, error, type Finding, ok } from '../finding.js'
import { type CallInStack, callsOf, placeOf, readsUserEnvironment } from '../pamcalls.js'
import { replaceIn } from '../pamedit.js'
import type { PamEntry } from '../pamstack.js'

export const pamEnv: Check = {
  id: 'pam-env',
  title: 'No user chooses the environment that polyns starts in',
  status: 5,
  run(host) {
    const calls = callsOf(host)
    if (calls.length === 0) return []
    const found = new Map<string, { reader: PamEntry; calls: CallInStack[] }>()
    for (const call of calls) {
      const { service, stack, session } = call
      // Of the auth part pam_setcred runs it. atd does that in a child, whose variables do not reach polyns.
      const auth = service === 'atd' ? [] : stack.entries.filter(({ type }) => type === 'auth')
      for (const reader of [...auth, ...session].filter(readsUserEnvironment)) {
        const before = found.get(placeOf(reader))?.calls ?? []
        found.set(placeOf(reader), { reader, calls: [...before, call] })
      }
    }
    if (found.size === 0) return [ok('no pam_env with user_readenv=1 beside polyns')]
    return [...found.values()].map(({ reader, calls }) => judge(reader, calls))
  },
}

function judge(reader: PamEntry, calls: readonly CallInStack[]): Finding {
  const saw = `${placeOf(reader)}: pam_env.so with user_readenv, beside polyns`
  const heeding = calls.filter((call) => !startsAlone(startedBy(call)))
  if (heeding.length === 0) return ok(`${saw}: no loader starts that`)
  const programs = [...new Set(heeding.map(startedBy))].join(', ')
  const why =
    `whoever logs in by ${heeding.map(({ service }) => service).join(', ')} can become root: LD_PRELOAD in his ` +
    `~/.pam_environment is obeyed by the loader that starts ${programs}; bin/polyns of polyns has none. After the change ` +
    '~/.pam_environment is read no more there'
  return error(saw, why, ...replaceIn(reader, 'user_readenv=[^[:space:]]*', 'user_readenv=0'))
}
