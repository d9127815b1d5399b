/*
 * pam_env with user_readenv=1 takes variables from the user's ~/.pam_environment, and pam_exec starts its program with them, as
 * root. polyns drops them; but LD_PRELOAD is obeyed by the loader of the shell that starts polyns, before a line of it runs.
 * Where the line stands makes no difference: what comes after polyns is there when the session is closed.
 * Seen with Debian 12's stack of sshd, which has it.
 */
import { type Check, error, type Finding, ok } from '../finding.js'
import { callsOf, placeOf, readsUserEnvironment } from '../pamcalls.js'
import { replaceIn } from '../pamedit.js'
import type { PamEntry } from '../pamstack.js'

export const pamEnv: Check = {
  id: 'pam-env',
  title: 'No user chooses the environment that polyns starts in',
  status: 5,
  run(host) {
    const calls = callsOf(host)
    if (calls.length === 0) return []
    const found = new Map<string, { reader: PamEntry; services: string[] }>()
    for (const { service, stack, session } of calls) {
      // Of the auth part pam_setcred runs it. atd does that in a child, whose variables do not reach polyns.
      const auth = service === 'atd' ? [] : stack.entries.filter(({ type }) => type === 'auth')
      for (const reader of [...auth, ...session].filter(readsUserEnvironment)) {
        const { services } = found.get(placeOf(reader)) ?? { services: [] }
        found.set(placeOf(reader), { reader, services: [...services, service] })
      }
    }
    if (found.size === 0) return [ok('no pam_env with user_readenv=1 beside polyns')]
    return [...found.values()].map(({ reader, services }) => judge(reader, services))
  },
}

function judge(reader: PamEntry, services: readonly string[]): Finding {
  const saw = `${placeOf(reader)}: pam_env.so with user_readenv, beside polyns`
  const why =
    `whoever logs in by ${services.join(', ')} can become root: LD_PRELOAD in his ~/.pam_environment is obeyed by every ` +
    'program that pam_exec starts. After the change ~/.pam_environment is read no more there'
  return error(saw, why, ...replaceIn(reader, 'user_readenv=[^[:space:]]*', 'user_readenv=0'))
}
