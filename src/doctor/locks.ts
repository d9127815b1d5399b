/* /proc/locks: who holds a lock of flock(2). Pure: text to facts. */

export interface FlockHolder {
  pid: number
  /** `major:minor` as mountinfo writes it. */
  dev: string
  ino: string
}

/** `4: FLOCK  ADVISORY  WRITE 1234 00:1b:5678 0 EOF`, proc_locks(5); one who only waits has `->` before it. */
export function parseFlocks(text: string): FlockHolder[] {
  const line = /^\d+: FLOCK +\S+ +\S+ +(\d+) ([0-9a-f]+):([0-9a-f]+):(\d+) /gm
  return Array.from(text.matchAll(line), ([, pid = '', major = '', minor = '', ino = '']) => ({
    pid: Number(pid),
    dev: `${Number.parseInt(major, 16)}:${Number.parseInt(minor, 16)}`,
    ino,
  }))
}
