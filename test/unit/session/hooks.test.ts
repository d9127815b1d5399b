/* What a hook is by its name, and what it is told. Running them takes root: test/root/hooks.test.ts. */
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { hookKind, inByteOrder } from '../../../src/session/hookfiles.js'
import { lastLineOf } from '../../../src/session/hookoutput.js'
import {
  type HookSession,
  hookComplaints,
  hookEnvironment,
  isLastSession,
  runHooks,
} from '../../../src/session/hooks.js'
import { traceCalls } from '../../../src/sys/call.js'

const session: HookSession = {
  id: '7',
  kind: 'joined',
  leader: 1234,
  mounts: [
    { polydir: '/tmp', instance: '/tmp/inst/alice' },
    { polydir: '/dev/shm', instance: null },
  ],
  request: {
    type: 'open_session',
    service: 'sshd',
    ruser: null,
    tty: 'ssh',
    rhost: '192.0.2.7',
    who: {
      user: 'alice',
      uid: 5001,
      gid: 5002,
      gids: [5002],
      home: '/home/alice',
      sessionId: 'not this one',
      jobId: '99',
    },
  } as unknown as HookSession['request'],
}

t.test('a name says how a hook is run, and whether it is one', (t) => {
  for (const [name, kind] of [
    ['10W-quota', 'waited'],
    ['00W-', 'waited'],
    ['10D-daemon', 'detached'],
    ['10-plain', 'background'],
    ['plain', 'background'],
    ['plain.sh', 'background'],
    ['10w-small', 'background'],
    ['1W-one-digit', 'background'],
    ['100W-three', 'background'],
    ['10W_underscore', 'background'],
    ['.hidden', null],
    ['.10W-hidden', null],
    ['10W-old~', null],
    ['10W-old.bak', null],
    ['10W-a.dpkg-new', null],
    ['10W-a.dpkg-old', null],
    ['10W-a.rpmsave', null],
    ['10W-a.rpmnew', null],
    ['10W-a.rpm-and.more', 'waited'],
    ['10W-bak', 'waited'],
  ] as const) {
    t.equal(hookKind(name), kind, `'${name}' is ${kind ?? 'no hook'}`)
  }
  t.end()
})

t.test('hooks are sorted by bytes', (t) => {
  const names = ['b', 'B', '9-x', '10-x', 'ä', 'a', '\u{1f600}', '\uff5e']
  t.same(inByteOrder(names), ['10-x', '9-x', 'B', 'a', 'b', 'ä', '\uff5e', '\u{1f600}'])
  t.end()
})

t.test('a hook is told about the session, and nothing else', (t) => {
  t.same(hookEnvironment('open', session), {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    POLYNS_EVENT: 'open',
    POLYNS_KIND: 'joined',
    POLYNS_USER: 'alice',
    POLYNS_UID: '5001',
    POLYNS_GID: '5002',
    POLYNS_HOME: '/home/alice',
    POLYNS_SERVICE: 'sshd',
    POLYNS_TTY: 'ssh',
    POLYNS_RHOST: '192.0.2.7',
    POLYNS_RUSER: '',
    POLYNS_SESSION_ID: '7',
    POLYNS_JOB_ID: '99',
    POLYNS_LEADER_PID: '1234',
    POLYNS_POLYDIRS: '/tmp\n/dev/shm',
    POLYNS_INSTANCES: '/tmp/inst/alice\ntmpfs',
  })
  t.match(hookEnvironment('last', { ...session, kind: null, mounts: [] }), {
    POLYNS_EVENT: 'last',
    POLYNS_KIND: '',
    POLYNS_POLYDIRS: '',
  })
  t.end()
})

t.test('of what a hook says the last line counts', (t) => {
  t.equal(lastLineOf(''), '')
  t.equal(lastLineOf('one\ntwo\n'), 'two')
  t.equal(lastLineOf('one\r\n  two  \r\n\n \n'), 'two')
  t.end()
})

t.test('only what went wrong is complained of', (t) => {
  t.same(
    hookComplaints([
      { name: 'open/a', outcome: 'ok', said: 'x' },
      { name: 'open/b', outcome: 'started', said: '' },
      { name: 'open/c', outcome: 'failed 1', said: 'why' },
      { name: 'open/d', outcome: 'timed out', said: '' },
    ]),
    ['hook open/c failed 1: why', 'hook open/d timed out'],
  )
  t.end()
})

t.test('without a directory one call is made', (t) => {
  const calls: string[] = []
  traceCalls((line) => calls.push(line))
  const outcomes = runHooks('open', session, { directory: join(t.testdir({}), 'none') })
  traceCalls(undefined)
  t.same(outcomes, [])
  t.equal(calls.filter((line) => !line.startsWith('ignored')).length, 1)
  t.end()
})

t.test('a directory that others can write to is refused, and nothing in it is run', (t) => {
  const directory = t.testdir({ open: {}, close: 'a file' })
  const trace = join(directory, 'ran')
  writeFileSync(join(directory, 'open/10W-x'), `#!/bin/sh\ntouch ${trace}\n`, { mode: 0o755 })
  chmodSync(join(directory, 'open'), 0o777)
  t.match(runHooks('open', session, { directory }), [
    { name: `${directory}/open`, outcome: /^refused: .* can be written by others than root/, said: '' },
  ])
  t.throws(() => chmodSync(trace, 0o644), { code: 'ENOENT' })
  t.match(runHooks('close', session, { directory }), [{ outcome: /^refused: .*ENOTDIR/ }])
  t.same(runHooks('last', session, { directory }), [])
  t.end()
})

t.test('a user without records has no other session', (t) => {
  t.equal(isLastSession({ uid: 4294967294, leader: { pid: 1, tid: 1, startTime: '1' } }), true)
  t.end()
})
