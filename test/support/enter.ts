/*
 * How a command gets into a sandbox: nsenter into the namespaces of its pid 1, as a user, with a clean environment.
 */

/** An argument vector, or the text of a bash command. */
export type Command = readonly string[] | string

export interface RunOptions {
  /** Who runs it, with that user's groups; without it root. */
  user?: string
  /** Added to a clean environment: PATH, HOME, USER, LOGNAME, SHELL, LANG, TERM. */
  env?: Record<string, string>
  /** Without it `/`. */
  cwd?: string
  /** What it reads on stdin; without it /dev/null. For `spawn`: 'pipe' leaves it open. */
  input?: string
  /** Then it is ended, with all below it, and the result says so. Without it 30 s; `spawn`: no limit. */
  timeoutMs?: number
}

export const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** The argument vector and the whole environment of `command`, to be started out here. */
export function enter(pid1: number, command: Command, options: RunOptions) {
  const { user, cwd } = options
  const as = user === undefined ? [] : ['setpriv', '--reuid', user, '--regid', user, '--init-groups', '--']
  const at = cwd === undefined ? [] : ['env', '-C', cwd, '--']
  const what = typeof command === 'string' ? ['bash', '-c', command] : command
  const name = user ?? 'root'
  const who = {
    HOME: name === 'root' ? '/root' : `/home/${name}`,
    USER: name,
    LOGNAME: name,
    SHELL: '/bin/bash',
  }
  return {
    argv: ['nsenter', '-t', `${pid1}`, '-m', '-p', '-n', '-u', '-i', '--', ...as, ...at, ...what],
    env: { PATH, ...who, LANG: 'C.UTF-8', TERM: 'dumb', ...options.env },
  }
}
