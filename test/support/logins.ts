/*
 * Real logins inside a sandbox: sshd with a PAM stack that the test chooses. Debian's own stacks end in pam_systemd, which
 * fails without a logind; these have only what the test needs.
 */
import { readFileSync } from 'node:fs'
import { type Running, sleep } from './run.js'
import type { Sandbox } from './sandbox.js'

export interface SshdOptions {
  /** Lines of the session part: `session required pam_exec.so ...`. */
  pamLines?: readonly string[]
  /** Lines of sshd_config; sshd takes the first value it sees, so they win over those below. */
  config?: readonly string[]
}

/** Anybody may come in without a password, then the given session lines. For su, sudo, cron, slurm... */
export function plainStack(session: readonly string[]): string[] {
  return [
    'auth required pam_permit.so',
    'account required pam_permit.so',
    'password required pam_deny.so',
    ...session,
  ]
}

export async function startSshd(box: Sandbox, options: SshdOptions): Promise<Running> {
  const { pamLines = [], config = [] } = options
  await box.pam('sshd', [
    'auth required pam_deny.so',
    'account required pam_unix.so',
    'session required pam_unix.so',
    ...pamLines,
  ])
  await box.write(
    '/etc/ssh/sshd_config',
    [
      ...config,
      'ListenAddress 127.0.0.1',
      'HostKey /etc/ssh/ssh_host_ed25519_key',
      'UsePAM yes',
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      'PrintMotd no',
      'Subsystem sftp /usr/lib/openssh/sftp-server',
      '',
    ].join('\n'),
  )
  const sshd = box.spawn(['/usr/sbin/sshd', '-D', '-e'])
  for (let i = 0; i < 500; i++) {
    if (listens(box.host.pid1, 22)) return sshd
    if (sshd.child.exitCode !== null) break
    await sleep(10)
  }
  throw new Error(`sshd does not listen: ${sshd.stderr}`)
}

/** Whether something in the network namespace of that process listens on a TCP port (proc_pid_net(5): state 0A). */
function listens(hostPid: number, port: number): boolean {
  const hex = port.toString(16).toUpperCase().padStart(4, '0')
  return readFileSync(`/proc/${hostPid}/net/tcp`, 'utf8')
    .split('\n')
    .some((line) => new RegExp(`^ *\\d+: [0-9A-F]{8}:${hex} [0-9A-F:]+ 0A `).test(line))
}
