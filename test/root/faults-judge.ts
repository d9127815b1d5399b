/* What became of a fault: whether the login, or the run of a command, is refused or complete, and what is wrong if it is neither. */
import type { Point } from './faults-points.js'

/** What faults.pl tells of one. */
export type Told = Readonly<Record<string, string>>

/**
 * - `refused after`: the application is in its namespace, all of it, but the helper was ended before it could say so; who waits
 *   for it refuses the session then, and nothing of the host's is seen meanwhile
 * - `ended with it`: the application was held when the helper ended, and is ended by the kernel
 */
export type Kind = 'complete' | 'refused' | 'refused after' | 'ended with it' | 'not reached' | 'HALF'

export interface Verdict {
  kind: Kind
  /** What is not as it should be; empty: nothing. */
  wrong: string[]
}

export const SESSIONS = ['built', 'joined', 'close'] as const
export const COMMANDS = ['epilog', 'reap', 'setup', 'undo'] as const
export type Operation = (typeof SESSIONS)[number] | (typeof COMMANDS)[number]

/** The directory that the application is in; the private /tmp has none of that name. */
const BEFORE = '/tmp/dir'
/** What a clean run leaves: a record, and of a session with directories of its own these. */
const LEFT = { built: 'record session-directory session-directory', joined: 'record', close: '' }
/** What a call says of something that is not there, or not what was looked for. Besides, EEXIST of what is not: keep= leaves it then. */
const ABSENT = ['ENOENT', 'ENOTDIR', 'ELOOP', 'EXDEV']
/** What only a helper that was killed may leave: reap finds each of them by its name. */
const OF_THE_KILLED = ['record', 'aside', 'unfinished', 'session-directory']

export function judge(operation: Operation, point: Point, told: Told): Verdict {
  const wrong = [...always(told)]
  const verdict = isSession(operation)
    ? session(operation, point, told, wrong)
    : command(operation, point, told, wrong)
  const isReached = told.failed === '1' || (point.fault === 'KILL' && isEnded(told))
  if (isReached || wrong.length > 0) return { kind: wrong.length > 0 ? 'HALF' : verdict, wrong }
  return { kind: 'not reached', wrong: verdict === 'complete' ? [] : [`${verdict} without a fault`] }
}

export function isSession(operation: Operation): operation is (typeof SESSIONS)[number] {
  return (SESSIONS as readonly string[]).includes(operation)
}

/** By a signal: ours, or that by which Node gives up when it has no memory. */
function isEnded({ status, gone }: Told): boolean {
  return /^(signal|13[0-9])/.test(status ?? '') || gone === '9'
}

function always({ status, stray, host = '' }: Told): string[] {
  return [
    ...(status === 'hung' ? ['it hangs, and whoever waits for it too'] : []),
    ...(stray === '' ? [] : [`still there: ${stray}`]),
    ...(host === '' ? [] : [`mounts of the host: ${host}`]),
  ]
}

function session(operation: (typeof SESSIONS)[number], point: Point, told: Told, wrong: string[]): Kind {
  const expect = (is: boolean, what: string) => {
    if (!is) wrong.push(what)
  }
  const { status, gone, left = '', ticket = '' } = told
  const leftByKilled = left.split(' ').every((one) => one === '' || OF_THE_KILLED.includes(one))
  if (gone !== '0') {
    expect(gone === '9' && told.phase === 'adopting', `the application was ended by signal ${gone}`)
    expect(leftByKilled, `left: ${left}`)
    return 'ended with it'
  }
  expect(told.changed === '', `the application: ${told.changed}`)
  expect(told.state?.startsWith('S') === true, `the application is ${told.state}`)
  if (operation === 'close') return close(point, told, expect)

  if (told.moved === '1') {
    expect(told.mounts === 'complete', `mounts: ${told.mounts}`)
    expect(told.kept === '1' || [...ABSENT, 'EEXIST'].includes(point.fault), 'what keep= names is hidden')
    expect(told.cwd === '/', `cwd: ${told.cwd}`)
    expect(/^\S+$/.test(ticket), `the files to be carried: ${ticket}`)
    if (status === '0') {
      expect(left === LEFT[operation], `left: ${left}`)
      return 'complete'
    }
    expect(isEnded(told) && told.phase !== 'working', `moved, and refused with ${status}`)
    return 'refused after'
  }
  expect(status !== '0', 'FAIL-OPEN: a session in the view of the host')
  expect(told.mounts === 'before', `mounts: ${told.mounts}`)
  expect(told.cwd === BEFORE, `cwd: ${told.cwd}`)
  expect(/^\/tmp\/krb5cc_\w+$/.test(ticket), `the files to be carried: ${ticket}`)
  expect(isEnded(told) ? leftByKilled : left === '', `left: ${left}`)
  return status === '0' ? 'complete' : 'refused'
}

/** The application goes on in its namespace either way; what was the session's goes now or with the next clean-up. */
function close({ fault }: Point, told: Told, expect: (is: boolean, what: string) => void): Kind {
  expect(told.moved === '1' && told.mounts === 'complete', `mounts: ${told.mounts}`)
  // A directory that was said not to be there is found ten minutes later.
  const left = fault === 'ENOENT' ? ['', 'session-directory'] : ['']
  expect(
    told.next === '0' && left.includes(told.finally ?? '?'),
    `reap gave ${told.next} and left ${told.finally}`,
  )
  return told.left === '' ? 'complete' : 'refused'
}

function command(
  operation: (typeof COMMANDS)[number],
  { fault, syscall, isStart }: Point,
  told: Told,
  wrong: string[],
): Kind {
  const expect = (is: boolean, what: string) => {
    if (!is) wrong.push(what)
  }
  const { status } = told
  expect(told.next === '0', `the next run gave ${told.next}`)
  // A session's directory that was said not to be there is found ten minutes later.
  const left = fault === 'ENOENT' ? ['', '0123abcd'] : ['']
  expect(left.includes(told.finally ?? '?'), `left after the next run: ${told.finally}`)
  if (operation === 'setup' || operation === 'undo') {
    expect(told.nextmounts === 'complete', `the next run made: ${told.nextmounts}`)
    expect(told.undo === '0', `--undo gave ${told.undo}`)
    // Who is told that a directory is not there has nothing to do in it.
    const isMisled = ABSENT.includes(fault)
    if (status === '0') expect(isMisled || told.mounts === 'complete', `mounts: ${told.mounts}`)
    // All or nothing, but for what cannot be told: an undo goes on where it was.
    else if (operation === 'setup' && !isEnded(told) && !(syscall === 'write' && told.mounts === 'complete'))
      expect(told.mounts === 'unchanged', `mounts: ${told.mounts}`)
    return told.mounts === 'complete' ? 'complete' : 'refused'
  }
  // Another status than 0 drains the node; one that cannot even start does so rightly.
  if (operation === 'epilog' && !isEnded(told) && !isStart) expect(status === '0', `status ${status}`)
  expect(told.outside === 'kept', 'a file outside was touched')
  return status === '0' && told.left === '' ? 'complete' : 'refused'
}
