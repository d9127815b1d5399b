/* polyns list: who has a session, and what each session has of its own. */
import { isLive, readRecords, type SessionRecord } from '../session/registry.js'
import { escapeControls } from '../sys/call.js'
import type { Io } from './io.js'
import { requireRoot } from './root.js'

/**
 * The JSON is stable: one object a session, live ones only.
 * @throws {UnsupportedError} only root may know who has a session
 */
export function list(options: { json: boolean }, io: Io): void {
  requireRoot('listing the sessions')
  const sessions = readRecords()
    .filter(isLive)
    .sort((a, b) => a.user.localeCompare(b.user) || a.opened.localeCompare(b.opened))
  if (options.json) io.out(`${JSON.stringify({ sessions: sessions.map(toJson) })}\n`)
  else if (sessions.length === 0) io.out('no sessions\n')
  else io.out(table(sessions, io.color))
}

function toJson(s: SessionRecord) {
  const { id, user, uid, service, tty, rhost, job, leader, namespace, opened } = s
  const mounts = s.mounts.map(({ polydir, instance, fresh }) => ({ polydir, instance, fresh }))
  return { id, user, uid, service, tty, rhost, job, pid: leader.pid, namespace, opened, mounts }
}

const HEADINGS = ['USER', 'SERVICE', 'FROM', 'JOB', 'PID', 'SINCE', 'PRIVATE']

function table(sessions: readonly SessionRecord[], color: boolean): string {
  const rows = sessions.map((s) =>
    [
      s.user,
      s.service,
      s.rhost ?? s.tty ?? '-',
      s.job ?? '-',
      `${s.leader.pid}`,
      s.opened.slice(0, 19).replace('T', ' '),
      s.mounts.map(({ polydir, instance }) => `${polydir} = ${instance ?? 'tmpfs'}`).join(', '),
    ].map(escapeControls),
  )
  const widths = HEADINGS.map((heading, i) =>
    Math.max(heading.length, ...rows.map((row) => row[i]?.length ?? 0)),
  )
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd()
  const head = line(HEADINGS)
  return [color ? `\x1b[1m${head}\x1b[0m` : head, ...rows.map(line), ''].join('\n')
}
