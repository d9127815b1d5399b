/*
 * The points of a session's opening at which a helper can die, or a call of it can fail: taken from a recorded run, then
 * tried one after the other, each with a shell that plays the application. strace makes the fault happen, and with -D it
 * leaves the helper a direct child of the application.
 */
import { POLYNS } from '../support/install.js'
import type { Sandbox } from '../support/sandbox.js'

export interface Point {
  syscall: string
  /** Of all its calls of that syscall since it began, from 1. */
  nth: number
  /** `ptrace(PTRACE_SEIZE`, for people. */
  what: string
  /** Before the application is held, while it is, after it was let go. */
  phase: 'building' | 'adopting' | 'done'
}

export interface Outcome {
  /** What the application is told; null: it was ended itself. */
  status: number | null
  /** Its namespace, working directory and descriptors after that; one is that by which it lists them. */
  mntNs: string
  cwd: string
  fds: string
  /** What is left in the directory of the session records. */
  records: string
}

// What makes a change, or opens something; the rest (reading, memory, waiting) only lies between two of them.
const SYSCALLS = (
  'unshare setns mount open_tree move_mount mount_setattr fsopen fsconfig fsmount openat2 openat mkdirat fchown fchmod ' +
  'renameat2 rename unlinkat write ioctl ptrace pidfd_open pidfd_send_signal setfsuid setgroups sendto exit_group'
).split(' ')

/** The application is in a directory below /tmp, so that the working directory is moved too. */
const script = (user: string, strace: string) => `
  rm -rf /tmp/polyns-inst/${user} /dev/shm/polyns-inst/${user} /run/polyns/sessions/*-$$-*
  mkdir -p /tmp/dir && cd /tmp/dir || exit
  sh -c 'PAM_TYPE=open_session PAM_SERVICE=faults PAM_USER=${user} ${strace} ${POLYNS} pam 2>/dev/null
    echo "status $?"; readlink /proc/$$/ns/mnt /proc/$$/cwd; for f in /proc/$$/fd/*; do printf "%s " "\${f##*/}"; done; echo' 2>/dev/null
  echo "records" $(ls -A /run/polyns/sessions | grep -c "^$(id -u ${user})-\\|^[.]")
  rm -f /run/polyns/sessions/$(id -u ${user})-* /run/polyns/sessions/.*`

const strace = (options: string, out = '/dev/null') => `strace -D -qq -e signal=none ${options} -o ${out}`

async function attempt(box: Sandbox, user: string, under: string): Promise<Outcome> {
  const out = await box.sh(script(user, under), { timeoutMs: 15_000 })
  const [, status, mntNs = '', cwd = '', fds = ''] = /^status (\d+)\n(.*)\n(.*)\n(.*)\n/m.exec(out) ?? []
  const [, records = ''] = /^records (.*)$/m.exec(out) ?? []
  return { status: status === undefined ? null : Number(status), mntNs, cwd, fds, records }
}

/** The points from the first unshare to the end. */
export async function record(box: Sandbox, user: string): Promise<Point[]> {
  const log = `/run/recorded-${user}`
  await attempt(box, user, strace(`-s 64 -e trace=${SYSCALLS.join(',')}`, log))
  const count = new Map<string, number>()
  const points: Point[] = []
  let begun = false
  let phase: Point['phase'] = 'building'
  for (const line of (await box.read(log)).split('\n')) {
    const [, syscall = '', argument = ''] = /^(\w+)\(([^,)]*)/.exec(line) ?? []
    if (syscall === '') continue
    const nth = (count.get(syscall) ?? 0) + 1
    count.set(syscall, nth)
    begun ||= syscall === 'unshare'
    // Of these only what concerns polyns' own files: the name service opens dozens.
    const isOther = /^(openat|write)$/.test(syscall) && !/polyns|"version/.test(line)
    if (begun && !isOther) points.push({ syscall, nth, what: `${syscall}(${argument}`, phase })
    if (argument === 'PTRACE_SEIZE') phase = 'adopting'
    if (argument === 'PTRACE_DETACH') phase = 'done'
  }
  return points
}

/** @param fault `signal=KILL`, `error=ENOSPC` */
export function tryFault(box: Sandbox, user: string, point: Point, fault: string): Promise<Outcome> {
  const { syscall, nth } = point
  return attempt(box, user, strace(`-e trace=${syscall} -e inject=${syscall}:${fault}:when=${nth}`))
}

/** Runs `work` on each item, with one lane for each user: sessions of one user would share a namespace. */
export async function inLanes<T>(
  users: readonly string[],
  items: readonly T[],
  work: (item: T, user: string, index: number) => Promise<void>,
): Promise<void> {
  const queue = [...items.entries()]
  await Promise.all(
    users.map(async (user) => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift())
        await work(next[1], user, next[0])
    }),
  )
}
