/* `polyns install` in a sandbox, and whether the machine is afterwards what it was. */
import type { Result } from './run.js'
import type { Sandbox } from './sandbox.js'

/** As from a checkout: nothing of polyns is in /usr or /etc. */
export const OWN = '/opt/polyns/bin/polyns'

export function polyns(box: Sandbox, ...args: string[]): Promise<Result> {
  return box.run([OWN, ...args], { timeoutMs: 280_000 })
}

/** What a login writes besides, whoever opens the session. */
const OTHERS = /^\/run\/(syslog|motd\.dynamic|utmp)/

/**
 * Files with type, mode, owner, size, time and digest, directories without their times, and the mount table.
 * `settle`: logs in once before, since pam_motd makes a file in /run.
 */
export async function listing(box: Sandbox): Promise<string[]> {
  const where = '/etc /run /tmp /dev/shm /usr/sbin /usr/share/pam-configs'
  const files = await box.sh(`
    find ${where} -type d -printf '%p %y %m %U:%G\\n' -o -printf '%p %y %m %U:%G %s %T@ %l\\n'
    find /etc -type f -exec sha256sum {} +
    ls -d /var/lib/polyns 2>/dev/null || :`)
  const lines = files.split('\n').filter((line) => line !== '' && !OTHERS.test(line))
  return [...lines.sort(), ...box.mountinfo()]
}

/** Of the stacks alone. */
export async function stacks(box: Sandbox): Promise<string> {
  return box.sh('cd /etc/pam.d && ls -l --time-style=full-iso && sha256sum *')
}
