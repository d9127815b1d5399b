/* Closing a session: what `polyns pam` does when pam_exec calls it for close_session. */
import { sweepEnded } from '../cleanup/ended.js'
import type { Target } from '../ns/target.js'
import { closeSession } from '../session/close.js'
import { closeEvents, type HookEvent, mayHaveHooks, runCloseHooks } from '../session/hooks.js'
import type { SessionRecord } from '../session/registry.js'
import { type Environment, readRequest } from '../session/request.js'
import { tally } from '../session/tally.js'
import { ignoreSignal } from '../sys/process.js'
import { LOG, syslog } from '../sys/syslog.js'
import { logHooks } from './pam.js'
import { closeLimit, hookLimit, within } from './pam-limits.js'
import type { PamOptions } from './pam-options.js'
import { describeError } from './report.js'

const SIGTERM = 15 // signal(7)

/** Whose session it is the record says: the user may have been removed while it lasted. */
export function close(options: PamOptions, env: Environment, target: Target): void {
  // From here on: what is begun a second time would not find what the first has already done. Hooks get it as it was.
  ignoreSignal(SIGTERM)
  const closed = within(closeLimit(options, env), (step) => {
    step('close the session')
    return closeSession(target)
  })
  if (closed === null) return
  const { record, isLast } = closed
  const session = `${env.PAM_SERVICE}: session of ${record.user}`
  const events = closeEvents(isLast).filter(mayHaveHooks)
  if (events.length > 0) closeHooks(events, record, env, target)
  const { removed, left } = within(closeLimit(options, env), (step) => {
    step('remove what only this session had')
    return sweepEnded(record.uid, [target.pid, target.launcher ?? target.pid, process.pid])
  })
  for (const { path, why } of left)
    syslog(LOG.WARNING, `${session}: '${path}' could not be removed yet: ${why}`)
  syslog(LOG.INFO, `${session} closed${removed.length === 0 ? '' : `, removed ${removed.join(' ')}`}`)
  tally('closed') // on a full /run there is room for it only now
}

function closeHooks(events: HookEvent[], record: SessionRecord, env: Environment, target: Target): void {
  const session = `${env.PAM_SERVICE}: session of ${record.user}`
  within(hookLimit(env), (step) => {
    step('hooks')
    try {
      const request = readRequest(env, target)
      logHooks(session, runCloseHooks(events, record, request))
    } catch (error) {
      syslog(LOG.WARNING, `${session}: no hook was run at its end: ${describeError(error, { stack: false })}`)
    }
  })
}
