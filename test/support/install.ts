/* Puts polyns into a sandbox as an administrator would: the command in /usr/sbin, a configuration, and the PAM line. */
import type { Sandbox } from './sandbox.js'

export const POLYNS = '/usr/sbin/polyns'
export const PAM_LINE = `session required pam_exec.so quiet seteuid ${POLYNS} pam`

export const TMP_AND_SHM = `/tmp /tmp/polyns-inst/ user:noinit root
/dev/shm /dev/shm/polyns-inst/ user:noinit root
`

/** @param config the text of /etc/polyns/namespace.conf */
export async function installPolyns(box: Sandbox, config: string = TMP_AND_SHM): Promise<void> {
  await box.sh(`ln -s /opt/polyns/bin/polyns ${POLYNS}`)
  await box.write('/etc/polyns/namespace.conf', config)
}
