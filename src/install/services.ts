/* The PAM services that polyns is for, and the line that each gets. Pure. */

/** As it stands in every line; the package and `polyns install` see that it is there. */
export const PROGRAM = '/usr/sbin/polyns'

/**
 * Those that open sessions of people and of jobs. systemd-user is among them: without it the services of a user, and what he
 * starts by `systemd-run --user`, would have another /tmp than his logins. Display managers are only chosen by name.
 */
export const DEFAULT_SERVICES: readonly string[] = [
  'sshd',
  'login',
  'su',
  'su-l',
  'sudo',
  'sudo-i',
  'cron',
  'crond',
  'atd',
  'systemd-user',
  'slurm',
]

/** What follows `polyns pam`: what root restarts by su or sudo is the host's, and a refused job would drain the node. */
export function argsFor(service: string): string[] {
  if (/^su(do)?(-[li])?$/.test(service)) return ['--global']
  return service === 'slurm' ? ['--fail-open'] : []
}

/** A line of a stack. @param program what is called in place of {@link PROGRAM} while the stack is tried */
export function lineFor(args: readonly string[], program = PROGRAM): string {
  return ['session required pam_exec.so quiet seteuid', program, 'pam', ...args].join(' ')
}

/** In config/pam/pam-auth-update: one line for all who include the common files, su and sudo among them. */
export const PROFILE_ARGS: readonly string[] = ['--unmnt-remnt']
