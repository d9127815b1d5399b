import t from 'tap'
import type { Target } from '../../../src/ns/target.js'
import { readRequest, sessionIdOf, whoIs } from '../../../src/session/request.js'
import { UnsafePathError, UsageError } from '../../../src/sys/errors.js'

// No process has this number: what is read from /proc is missing.
const target = { pid: 2 ** 30, tid: 2 ** 30, proc: `/proc/${2 ** 30}`, startTime: '77' } as Target

t.test('a request is what pam_exec hands on', async (t) => {
  const env = {
    PAM_TYPE: 'open_session',
    PAM_SERVICE: 'sshd',
    PAM_USER: 'root',
    PAM_RHOST: '192.0.2.7',
    PAM_TTY: 'ssh',
  }
  const { who, ...rest } = readRequest(env, target)
  t.match(rest, { type: 'open_session', service: 'sshd', ruser: null, rhost: '192.0.2.7', tty: 'ssh' })
  t.match(who, { user: 'root', uid: 0, gid: 0 })
  t.match(readRequest({ ...env, PAM_TYPE: 'close_session', PAM_RUSER: '', PAM_TTY: '' }, target), {
    type: 'close_session',
    ruser: null,
    tty: null,
  })
})

t.test('a call that is not of a session hook is an error of use', async (t) => {
  for (const PAM_TYPE of [
    undefined,
    '',
    'auth',
    'account',
    'password',
    'setcred',
    'OPEN_SESSION',
    'open_session ',
  ])
    t.throws(() => readRequest({ PAM_TYPE, PAM_USER: 'root' }, target), UsageError, `${PAM_TYPE}`)
})

t.test('a user whom nobody knows is refused', async (t) => {
  for (const user of ['', 'nobody-knows-this-one', 'root\0x', '..', '/', '-', 'root ', '0']) {
    t.throws(() => whoIs(user, target, {}), UnsafePathError, JSON.stringify(user))
  }
})

t.test('the session’s id is logind’s, and never more than a plain word', async (t) => {
  t.equal(sessionIdOf(target, { XDG_SESSION_ID: 'c12' }), 'c12')
  t.equal(sessionIdOf(target, { XDG_SESSION_ID: '1234' }), '1234')
  for (const XDG_SESSION_ID of [
    undefined,
    '',
    '../x',
    'a/b',
    'a b',
    '-',
    'a.job5',
    'a\n',
    'c',
    's',
    '1'.repeat(21),
    'é',
  ])
    t.equal(sessionIdOf(target, { XDG_SESSION_ID }), `p${target.pid}_77`, `${XDG_SESSION_ID}`)
})

t.test('groups and job are looked up only when asked for', async (t) => {
  const who = whoIs('root', target, { SLURM_JOB_ID: '5' })
  t.equal(Object.getOwnPropertyDescriptor(who, 'gids')?.value, undefined)
  t.ok(who.gids.includes(0))
  t.equal(who.gids, who.gids, 'and once')
  t.equal(who.jobId, null, 'the environment alone makes no job')
  t.equal(whoIs('root', target, {}, '9').jobId, '9')
})
