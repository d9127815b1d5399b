/* Which process a number is: its command, its user, whose child it is, and whether it can have a view at all. */
import { readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { startTimeOf, statFields } from '../ns/target.js'
import { SyscallError, UnsupportedError } from '../sys/errors.js'

export interface InspectedProcess {
  pid: number
  /** The thread that was asked for; null: the process, that is its first thread. */
  tid: number | null
  command: string
  /** The effective one. */
  uid: number
  /** @throws {SyscallError} ESRCH: it has ended meanwhile, and the number may be another's */
  assertUnchanged(): void
}

/**
 * @throws {SyscallError} ESRCH: there is none with this number, or it has ended
 * @throws {UnsupportedError} a thread of the kernel's
 */
export function lookAtProcess(id: number): InspectedProcess {
  const status = statusOf(id)
  const startTime = status === null ? null : startTimeOr(id)
  if (status === null || startTime === null) {
    throw noProcess(id, 'there is none with this number')
  }
  if (/^State:\s*[ZX]/m.test(status)) {
    const parent = field(status, 'PPid')
    throw noProcess(id, `it has ended, and its parent, process ${parent}, has not asked how yet`)
  }
  const pid = Number(field(status, 'Tgid'))
  const command = commandOf(pid)
  if (command === '' && isKernelThread(id)) {
    throw new UnsupportedError(
      `process ${id}, ${field(status, 'Name')}`,
      'is a thread of the kernel, which sees no files',
    )
  }
  return {
    pid,
    tid: pid === id ? null : id,
    command: command === '' ? field(status, 'Name') : command,
    uid: Number(field(status, 'Uid').split(/\s+/)[1]),
    assertUnchanged() {
      if (startTimeOr(id) !== startTime) throw noProcess(id, 'it has ended meanwhile')
    },
  }
}

export function noProcess(id: number, why: string): SyscallError {
  const [code, errno] = ['ESRCH', constants.errno.ESRCH]
  return new SyscallError({
    code,
    errno,
    syscall: 'open',
    path: `/proc/${id}`,
    message: `process ${id}: ${why}`,
  })
}

/** The parent, its parent and so on. */
export function ancestorsOf(pid: number): number[] {
  const found: number[] = []
  for (let at = pid; at > 1; ) {
    at = Number(field(statusOf(at) ?? '', 'PPid'))
    // A process that ends meanwhile leaves its children to others; then there is no way up.
    if (at === 0 || found.includes(at)) break
    found.push(at)
  }
  return found
}

/** systemd's unit, by the cgroup: `sshd.service`, `session-3.scope`. */
export function unitOf(pid: number): string | null {
  const units = read(`/proc/${pid}/cgroup`)?.match(/[^/\n]+\.(?:service|scope)(?=\/|$)/gm)
  return units?.at(-1) ?? null
}

function statusOf(id: number): string | null {
  return read(`/proc/${id}/status`)
}

function field(status: string, name: string): string {
  return new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)?.[1] ?? ''
}

function commandOf(pid: number): string {
  return (read(`/proc/${pid}/cmdline`) ?? '').replaceAll('\0', ' ').trim()
}

const PF_KTHREAD = 0x200000

/** Field 9 of /proc/PID/stat, proc_pid_stat(5): a process that has emptied its own arguments is none. */
function isKernelThread(id: number): boolean {
  const stat = read(`/proc/${id}/stat`) ?? ''
  const flags = statFields(stat)[6]
  return (Number(flags) & PF_KTHREAD) !== 0
}

function startTimeOr(id: number): string | null {
  try {
    return startTimeOf(id)
  } catch {
    return null
  }
}

function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null // it has ended
  }
}
