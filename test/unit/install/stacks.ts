/* PAM stacks in the manner of the distributions, written for these tests. */

export type Files = Readonly<Record<string, string>>

const lines = (...all: string[]) => `${all.join('\n')}\n`

/** Debian 12 and 13, and Ubuntu, which has umask and its own modules besides. */
export const DEBIAN: Files = {
  '/etc/pam.d/common-auth': lines(
    'auth [success=1 default=ignore] pam_unix.so nullok',
    'auth requisite pam_deny.so',
  ),
  '/etc/pam.d/common-account': lines('account required pam_permit.so'),
  '/etc/pam.d/common-password': lines(
    'password [success=1 default=ignore] pam_unix.so',
    'password requisite pam_deny.so',
  ),
  '/etc/pam.d/common-session': lines(
    '# the first line jumps over the second',
    'session [default=1] pam_permit.so',
    'session requisite pam_deny.so',
    'session required pam_permit.so',
    'session optional pam_umask.so',
    'session required pam_unix.so',
    'session optional pam_systemd.so',
  ),
  '/etc/pam.d/sshd': lines(
    '@include common-auth',
    'account required pam_nologin.so',
    '@include common-account',
    'session [success=ok ignore=ignore module_unknown=ignore default=bad] pam_selinux.so close',
    'session required pam_loginuid.so',
    '@include common-session',
    'session optional pam_motd.so motd=/run/motd.dynamic',
    '',
    '# what runs as the user comes after this',
    'session [success=ok ignore=ignore module_unknown=ignore default=bad] pam_selinux.so open',
    '@include common-password',
  ),
  '/etc/pam.d/su': lines(
    'auth sufficient pam_rootok.so',
    '@include common-auth',
    '@include common-session',
    '',
    '# the end',
  ),
  '/etc/pam.d/su-l': lines(
    'auth include su',
    'session optional pam_keyinit.so force revoke',
    'session include su',
  ),
  '/etc/pam.d/cron': lines(
    '@include common-auth',
    '@include common-session',
    'session required pam_limits.so',
  ),
  '/usr/lib/pam.d/systemd-user': lines(
    'session required pam_selinux.so close',
    'session required pam_selinux.so nottys open',
    '@include common-session',
  ),
}

export const RED_HAT: Files = {
  '/etc/pam.d/system-auth': lines(
    'auth required pam_unix.so',
    'session optional pam_keyinit.so revoke',
    'session required pam_limits.so',
    '-session optional pam_systemd.so',
    'session [success=1 default=ignore] pam_succeed_if.so service in crond quiet use_uid',
    'session required pam_unix.so',
  ),
  '/etc/pam.d/postlogin': lines(
    'session optional pam_umask.so silent',
    'session [success=1 default=ignore] pam_succeed_if.so service !~ gdm* service !~ su* quiet',
    'session [default=1] pam_lastlog.so nowtmp showfailed',
    'session optional pam_lastlog.so silent noupdate showfailed',
  ),
  '/etc/pam.d/sshd': lines(
    '#%PAM-1.0',
    'auth substack system-auth',
    'session required pam_selinux.so close',
    'session required pam_loginuid.so',
    '# only sessions that run in the user context',
    'session required pam_selinux.so open env_params',
    'session required pam_namespace.so',
    'session optional pam_keyinit.so force revoke',
    'session include system-auth',
    'session include postlogin',
  ),
  '/etc/pam.d/sudo': lines('auth include system-auth', 'session include system-auth'),
  '/etc/pam.d/sudo-i': lines('auth include sudo', 'session include sudo'),
  '/etc/pam.d/crond': lines('session required pam_loginuid.so', 'session include system-auth'),
}

export const ARCH: Files = {
  '/etc/pam.d/system-auth': lines('session required pam_limits.so', 'session required pam_unix.so'),
  '/etc/pam.d/system-login': lines(
    'session optional pam_loginuid.so',
    'session include system-auth',
    '-session optional pam_systemd.so',
    'session required pam_env.so',
  ),
  '/etc/pam.d/sshd': lines('#%PAM-1.0', 'auth include system-login', 'session include system-login'),
}

export const SUSE: Files = {
  '/usr/lib/pam.d/common-session': lines(
    'session required pam_limits.so',
    'session required pam_unix.so try_first_pass',
  ),
  '/usr/lib/pam.d/sshd': lines(
    '#%PAM-1.0',
    'auth requisite pam_nologin.so',
    'session required pam_loginuid.so',
    'session include common-session',
    'session optional pam_lastlog2.so silent',
  ),
}
