/*
 * Real logins inside a sandbox: sshd with a PAM stack that the test chooses. Debian's own stacks end in pam_systemd, which
 * fails without a logind; these have only what the test needs.
 */
import { readFileSync } from 'node:fs'
import { type Result, type Running, sleep } from './run.js'
import type { Sandbox } from './sandbox.js'

// include/net/tcp_states.h
const LISTEN = '0A'
const CLOSE_WAIT = '08'

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
    if (socketStates(box.host.pid1, 22).includes(LISTEN)) return sshd
    if (sshd.child.exitCode !== null) break
    await sleep(10)
  }
  throw new Error(`sshd does not listen: ${sshd.stderr}`)
}

/** The client is back before sshd has closed the session, and what that logs: waits for it too, at most five seconds. */
export async function untilClosed(box: Sandbox, client: Promise<Result>): Promise<Result> {
  const result = await client
  for (let i = 0; i < 250 && socketStates(box.host.pid1, 22).includes(CLOSE_WAIT); i++) await sleep(20)
  return result
}

/** The states of the sockets of a TCP port in the network namespace of that process: proc_pid_net(5), in hexadecimal. */
function socketStates(hostPid: number, port: number): string[] {
  const hex = port.toString(16).toUpperCase().padStart(4, '0')
  const sockets = readFileSync(`/proc/${hostPid}/net/tcp`, 'utf8').matchAll(
    new RegExp(`^ *\\d+: [0-9A-F]{8}:${hex} [0-9A-F:]+ ([0-9A-F]{2}) `, 'gm'),
  )
  return Array.from(sockets, ([, state = '']) => state)
}
