import t from 'tap'
import { type ContextSource, contextLookup, requireSelinux, withLevelOf } from '../../../src/ns/context.js'
import type { ContextRequest } from '../../../src/ns/plan.js'
import { SyscallError, UnsafePathError, UnsupportedError } from '../../../src/sys/errors.js'
import type { SelinuxApi } from '../../../src/sys/selinux.js'

const PROC = '/proc/12/task/13'
const TMP = 'system_u:object_r:tmp_t:s0'

/** A policy as a table: what it says of these contexts, and nothing else. */
const POLICY: SelinuxApi = {
  isEnabled: () => true,
  contextOf: (proc, which) =>
    proc !== PROC
      ? null
      : which === 'exec'
        ? 'user_u:user_r:user_t:s2:c7'
        : 'system_u:system_r:sshd_t:s0-s15:c0.c9',
  computeMember: (source, target) => `${source.split(':')[0]}:object_r:user_tmp_t:s2:c7|${target}`,
  defaultContext: (user, from) => `${user}_u:user_r:user_t:${from.split(':').slice(3).join(':')}`,
  defaultLabel: (path) => (path === '/scratch' ? 'system_u:object_r:scratch_t:s0' : null),
}

interface Case extends Partial<ContextRequest> {
  source?: ContextSource
  policy?: Partial<SelinuxApi> | null
  kernel?: boolean
  label?: string | null
}

function lookUp(c: Case = {}) {
  const {
    source = 'exec',
    policy,
    kernel = false,
    label = TMP,
    method = 'level',
    polydir = '/tmp',
    creates = false,
  } = c
  const find = contextLookup(
    { user: 'alice', proc: PROC, source },
    {
      selinux: () => (policy === null ? null : { ...POLICY, ...policy }),
      kernelHasSelinux: () => kernel,
      labelOfPolydir: () => label,
    },
  )
  return find({ method, polydir, creates })
}

t.test('the context of an instance', (t) => {
  const cases: [string, Case, string][] = [
    ['level: the directory’s, with the level of the exec context', {}, 'system_u:object_r:tmp_t:s2:c7'],
    [
      'level, --use-current-context: with the level of the application',
      { source: 'current' },
      'system_u:object_r:tmp_t:s0-s15:c0.c9',
    ],
    [
      'level, --use-default-context: with the level of the default context for a login from the application',
      {
        source: 'default',
        policy: { defaultContext: (user, from) => `u:r:t:${user}@${from.split(':')[2]}` },
      },
      'system_u:object_r:tmp_t:alice@sshd_t',
    ],
    ['context: what the policy computes', { method: 'context' }, `user_u:object_r:user_tmp_t:s2:c7|${TMP}`],
    [
      'a directory that create= will make has the label of file_contexts',
      { polydir: '/scratch', label: null, creates: true },
      'system_u:object_r:scratch_t:s2:c7',
    ],
  ]
  for (const [name, c, context] of cases) t.same(lookUp(c), { context }, name)
  t.end()
})

t.test('no context, and so an instance of the user', (t) => {
  t.same(lookUp({ policy: { isEnabled: () => false } }), { unavailable: 'SELinux is off' })
  t.same(
    lookUp({ policy: null }),
    { unavailable: 'SELinux is off' },
    'no libselinux, and a kernel without SELinux',
  )
  t.end()
})

t.test('the session is refused when', (t) => {
  const refuses = (name: string, c: Case, kind: new (...args: never[]) => Error, message: RegExp) =>
    t.throws(() => lookUp(c), { constructor: kind, message }, name)
  refuses(
    'the kernel has SELinux on and the library is missing',
    { policy: null, kernel: true },
    UnsupportedError,
    /libselinux/,
  )
  refuses(
    'no exec context was set',
    { policy: { contextOf: () => null } },
    UnsupportedError,
    /--use-default-context/,
  )
  refuses('the directory has no label', { label: null }, UnsupportedError, /'\/tmp'.*has none/)
  refuses('file_contexts has none either', { label: null, creates: true }, UnsupportedError, /'\/tmp'/)
  refuses('a context is none', { label: 'tmp_t' }, UnsupportedError, /'tmp_t'/)
  refuses(
    'a context could lead out of the parent',
    { policy: { computeMember: () => 'u:o:t:s0/../..' }, method: 'context' },
    UnsafePathError,
    /name of an instance/,
  )
  const einval = new SyscallError({
    code: 'EINVAL',
    errno: 22,
    syscall: 'security_compute_member',
    message: 'no',
  })
  const computeMember = () => {
    throw einval
  }
  refuses(
    'the policy does not know a context',
    { policy: { computeMember }, method: 'context' },
    SyscallError,
    /no/,
  )
  t.end()
})

t.test('a context takes the level of another', (t) => {
  const cases: [string, string, string][] = [
    ['u:o:tmp_t:s0', 'u:r:t:s0-s15:c0.c1023', 'u:o:tmp_t:s0-s15:c0.c1023'],
    ['u:o:tmp_t:s0-s1:c1-c2', 'u:r:t:s4', 'u:o:tmp_t:s4'],
    ['u:o:tmp_t', 'u:r:t:s4', 'u:o:tmp_t:s4'],
    ['u:o:tmp_t:s0', 'u:r:t', 'u:o:tmp_t'],
  ]
  for (const [context, other, result] of cases)
    t.equal(withLevelOf(context, other), result, `${context} + ${other}`)
  for (const bad of ['', 'unconfined', 'a:b', 'a::c:s0', 'docker-default (enforce)', 'u:r:t:s0 x']) {
    t.throws(() => withLevelOf(bad, 'u:r:t:s0'), UnsupportedError, `"${bad}"`)
  }
  t.end()
})

t.test('--require-selinux', (t) => {
  const world = (enabled: boolean) => ({
    selinux: () => ({ ...POLICY, isEnabled: () => enabled }),
    kernelHasSelinux: () => enabled,
  })
  t.doesNotThrow(() => requireSelinux(world(true)))
  t.throws(() => requireSelinux(world(false)), {
    constructor: UnsupportedError,
    message: /--require-selinux: SELinux is off/,
  })
  t.end()
})
