/* Locks of users, and that of setup, in the hands of a process that does not go on: their logins wait and are then refused. */
import { readFileSync } from 'node:fs'
import { LOCK_DIRECTORY, RUN_DIRECTORY } from '../../ns/rundir.js'
import { statFields } from '../../ns/target.js'
import { command } from '../../propagation/step.js'
import { ignoring } from '../../sys/call.js'
import { statx } from '../../sys/stat.js'
import { parseStatus } from '../daemons.js'
import { type Check, error, type Finding, ok, warning } from '../finding.js'
import type { Host } from '../host.js'
import { parseFlocks } from '../locks.js'

/** A session is built in less, its init scripts too. */
const LONG_S = 120
/** USER_HZ: the unit of start times, the same on all machines. */
const TICKS = 100

export const locksHeld: Check = {
  id: 'locks-held',
  title: 'No lock is held by a process that has stopped',
  status: 1,
  run(host) {
    const uids = host.list(LOCK_DIRECTORY)
    if (uids === null) return []
    const paths = [RUN_DIRECTORY, ...uids.map((uid) => `${LOCK_DIRECTORY}/${uid}`)]
    const byFile = new Map(paths.flatMap((path) => (fileKey(path) ?? []).map((key) => [key, path] as const)))
    const held = parseFlocks(host.read('/proc/locks') ?? '').flatMap(({ pid, dev, ino }) => {
      const path = byFile.get(`${dev} ${ino}`)
      return path === undefined ? [] : judge(host, path, pid)
    })
    return held.length > 0 ? held : [ok(`no lock in ${LOCK_DIRECTORY} is held for long`)]
  },
}

function fileKey(path: string): string[] | undefined {
  return ignoring(['ENOENT'], 'it has just gone', () => {
    const { dev, ino } = statx(null, path)
    return [`${dev} ${ino}`]
  })
}

function judge(host: Host, path: string, pid: number): Finding[] {
  const status = parseStatus(host.read(`/proc/${pid}/status`) ?? '')
  const state = status.get('State') ?? ''
  const why =
    path === RUN_DIRECTORY
      ? "'polyns setup' waits for it"
      : `logins of uid ${path.slice(LOCK_DIRECTORY.length + 1)} wait for it, and are refused after 30 s`
  const saw = `${path} is held by process ${pid} (${status.get('Name') ?? 'which has ended'})`
  if (/^T/.test(state))
    return [error(`${saw}, which has been stopped`, why, command('kill', '-CONT', `${pid}`))]
  if (/^t/.test(state))
    return [error(`${saw}, which process ${status.get('TracerPid')} traces`, `${why}; end the tracer`)]
  const age = secondsSinceStart(host, pid)
  if (age === null || age < LONG_S) return []
  return [
    warning(
      `${saw}, which began ${Math.round(age)} s ago`,
      `${why}; see /proc/${pid}/stack for what it waits for`,
    ),
  ]
}

function secondsSinceStart(host: Host, pid: number): number | null {
  const stat = host.read(`/proc/${pid}/stat`)
  if (stat === null) return null
  const started = Number(statFields(stat)[19])
  const uptime = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0])
  return uptime - started / TICKS
}
