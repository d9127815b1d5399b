/* A machine whose logins have a short limit, and what a login that was over it must look like. */
import type { Test } from 'tap'
import { installPolyns, PAM_LINE } from './install.js'
import { plainStack } from './logins.js'
import type { Report } from './pamapp.js'
import { sleep } from './run.js'
import { Sandbox } from './sandbox.js'

const CONFIG = '/tmp /tmp/inst/ user:noinit root\n'
export const LIMIT_S = 2
/** Besides the limit: a second in which it is logged, and what a busy machine takes. */
export const AT_MOST_MS = (LIMIT_S + 1 + 15) * 1000

/** `app` has the limit, `open` --fail-open besides, `plain` neither. */
export async function machine(config = CONFIG): Promise<Sandbox> {
  // What a stopped server holds cannot be ended before it goes on.
  const box = await Sandbox.start({ leftovers: 'ignore' })
  await installPolyns(box, config)
  await box.pam('app', plainStack([`${PAM_LINE} --timeout ${LIMIT_S}`]))
  await box.pam('open', plainStack([`${PAM_LINE} --timeout ${LIMIT_S} --fail-open`]))
  await box.pam('plain', plainStack([PAM_LINE]))
  await box.sh('mount -t tmpfs -o mode=755 srv /srv && mkdir -p /srv/served/dir && mkdir -m 000 /srv/inst')
  return box
}

export function wasRefusedInTime(t: Test, { open, openMs, before, opened }: Report): void {
  t.not(open, 0, 'refused')
  t.ok(openMs > LIMIT_S * 1000 && openMs < AT_MOST_MS, `after ${Math.round(openMs)} ms`)
  // pam_exec has told the system log, through a socket of the application's own.
  t.strictSame({ ...opened, fds: null }, { ...before, fds: null }, 'the application is as it was')
}

/** The first line of the system log that `pattern` finds. */
export async function logged(box: Sandbox, pattern: RegExp): Promise<string | undefined> {
  let found: string | undefined
  for (let i = 0; i < 300 && found === undefined; i++) {
    found = (await box.syslog()).find((line) => pattern.test(line))
    if (found === undefined) await sleep(100)
  }
  return found
}
