/* The PAM services that polyns is for. Pure. */

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

/** In config/pam/pam-auth-update: one line for all who include the common files, su and sudo among them. */
export const PROFILE_ARGS: readonly string[] = ['--unmnt-remnt']
