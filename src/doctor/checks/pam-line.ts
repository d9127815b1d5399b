/* Whether polyns is called by each service of this host that opens sessions. */
import { type Check, error, type Finding, ok, warning } from '../finding.js'
import type { Host } from '../host.js'
import { callsOf, firstToFollow, selinuxMode } from '../pamcalls.js'
import { append, insertBefore } from '../pamedit.js'
import { argsFor, lineFor } from '../pamline.js'
import type { PamStack } from '../pamstack.js'

/** The services whose sessions are people's; SLURM's has a check of its own, `slurm-pam`. gdm has one for each way to log in; that of its own greeter is not one of them. */
const SERVICES =
  /^(sshd|login|su|su-l|sudo|sudo-i|cron|crond|atd|systemd-user|gdm-(?!launch).+|lightdm(-autologin)?|sddm(-autologin)?)$/

export const pamLine: Check = {
  id: 'pam-line',
  title: 'Each service that opens sessions calls polyns',
  status: 1,
  run(host) {
    const all = [...host.stacks].filter(([service]) => SERVICES.test(service))
    if (all.length === 0) return []
    const calling = new Set(callsOf(host).map(({ service }) => service))
    const missing = all.filter(([service]) => !calling.has(service))
    // su-l includes su: a line there is in both.
    const own = missing.filter(([, stack]) => !missing.some(([, other]) => includes(stack, other)))
    const findings = own.map(([service, stack]) => judge(service, stack, calling.size === 0, host))
    const having = all.filter(([service]) => calling.has(service)).map(([service]) => service)
    return having.length === 0 ? findings : [...findings, ok(`called by ${having.join(', ')}`)]
  },
}

function includes(stack: PamStack, other: PamStack): boolean {
  return (
    stack.path !== other.path &&
    stack.entries.some(({ trail }) => trail.some(({ file }) => file === other.path))
  )
}

function judge(service: string, stack: PamStack, isNowhere: boolean, host: Host): Finding {
  const saw = `${stack.path} has no session line that calls polyns`
  const mend = addLine(lineFor(argsFor(service)), stack, host)
  if (isNowhere) return error(saw, 'no service calls polyns: nobody gets a private directory', ...mend)
  return warning(
    saw,
    `sessions by ${service} see the host's directories, or those of whoever calls it`,
    ...mend,
  )
}

/** Last, but before what must come after it: that of the check `pam-order`. */
function addLine(line: string, stack: PamStack, host: Host): string[] {
  const next = firstToFollow(stack, { isSelinux: selinuxMode(host) !== null })
  const [place] = next?.trail ?? []
  return place === undefined ? append(stack.path, line) : insertBefore(place, line)
}
