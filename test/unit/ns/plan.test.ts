import { createHash } from 'node:crypto'
import t from 'tap'
import { type Names, parseConfig } from '../../../src/config/index.js'
import { instanceName, makePlan, type PlanOptions, planKey, type Who } from '../../../src/ns/plan.js'
import { ConfigError, UnsafePathError } from '../../../src/sys/errors.js'

const md5 = (text: string) => createHash('md5').update(text).digest('hex')
const UIDS: Record<string, number> = { root: 0, alice: 5001, bob: 5002 }
const names: Names = {
  userByName: (name) => {
    const uid = UIDS[name]
    return uid === undefined ? null : { name, uid, gid: uid, home: `/home/${name}` }
  },
  groupByName: (name) => (name === 'staff' ? { gid: 50 } : null),
}
const alice: Who = {
  user: 'alice',
  uid: 5001,
  gid: 5001,
  gids: [5001],
  home: '/home/alice',
  sessionId: 'c7',
  jobId: null,
}

function plan(
  text: string,
  who: Partial<Who> = {},
  mode: 'strict' | 'compat' = 'strict',
  options: PlanOptions = {},
) {
  const { rules, problems } = parseConfig([{ file: '/etc/x.conf', text }], { mode, names })
  const errors = problems.filter(({ severity }) => severity === 'error')
  if (errors.length > 0) throw new Error(JSON.stringify(errors))
  return makePlan(rules, mode, { ...alice, ...who }, md5, options)
}

t.test('a line becomes a step, in the order of the file', async (t) => {
  const { steps, ...rest } = plan(`
    /tmp      /tmp/inst/   user:noinit:nosuid:keep=.X11-unix  root
    /dev/shm  tmpfs        tmpfs:noinit:mntopts=size=1M,nodev root
    /var/tmp  /srv/t/s-    tmpdir:noinit                      root`)
  t.match(steps, [
    {
      kind: 'bind',
      polydir: '/tmp',
      parent: '/tmp/inst',
      name: 'alice',
      fresh: false,
      mountFlags: ['nosuid'],
      keep: ['.X11-unix'],
    },
    { kind: 'tmpfs', polydir: '/dev/shm', options: 'size=1M', mountFlags: ['nodev'] },
    { kind: 'bind', polydir: '/var/tmp', parent: '/srv/t', name: 's-', fresh: true },
  ])
  t.match(rest, { user: 'alice', uid: 5001, joinable: false })
})

t.test('only the lines that concern the user count', async (t) => {
  const text =
    '/tmp /i/a/ user:noinit root\n/var/tmp /i/b/ user:noinit ~alice\n/srv /i/c/ user:noinit ~@staff'
  const polydirs = (who: Partial<Who>) => plan(text, who).steps.map(({ polydir }) => polydir)
  t.same(polydirs({}), ['/tmp', '/var/tmp'])
  t.same(polydirs({ user: 'bob', uid: 5002, gid: 5002, gids: [5002, 50] }), ['/tmp', '/srv'])
  t.same(polydirs({ user: 'root', uid: 0, gid: 0, gids: [0] }), [])
})

t.test('the groups of a user are not asked for when no line names one', async (t) => {
  const who = {
    ...alice,
    get gids(): number[] {
      throw new Error('asked')
    },
  }
  const { rules } = parseConfig([{ file: '/f', text: '/tmp /i/ user:noinit root,:7,1:2' }], {
    mode: 'strict',
    names,
  })
  t.equal(makePlan(rules, 'strict', who, md5).steps.length, 1)
})

t.test('instances bear the names that pam_namespace gives them', async (t) => {
  const name = (user: string, scope: 'user' | 'session' | 'job' = 'user', jobId: string | null = null) =>
    instanceName({ scope }, { ...alice, user, jobId }, md5)
  t.equal(name('alice'), 'alice')
  t.equal(name('DOM\\alice'), 'DOM\\alice')
  t.equal(name('x'.repeat(80)), 'x'.repeat(80), '80 are kept')
  t.equal(
    name('x'.repeat(81)),
    `${'x'.repeat(47)}_${md5('x'.repeat(81))}`,
    '81 are cut to 47 and the hash of all',
  )
  t.equal(name('x'.repeat(81)).length, 80)
  t.equal(name('alice', 'session'), 'alice.sessionc7')
  t.equal(name('alice', 'job', '12'), 'alice.job12')
  t.equal(name('alice', 'job'), 'alice', 'outside of a job')
  t.equal(name('x'.repeat(81), 'job', '12'), `${'x'.repeat(47)}_${md5('x'.repeat(81))}.job12`)
})

t.test('a prefix is cut at its last slash', async (t) => {
  const at = (prefix: string) => {
    const [step] = plan(`/tmp ${prefix} user:noinit root`).steps
    return step?.kind === 'bind' ? [step.parent, step.name] : []
  }
  t.same(at('/srv/inst/'), ['/srv/inst', 'alice'])
  t.same(at('/srv/inst/of-'), ['/srv/inst', 'of-alice'])
  t.same(at('/srv/inst//'), ['/srv/inst', 'alice'])
  t.same(at('/srv/$USER/x-'), ['/srv/alice', 'x-alice'])
  t.same(at('$HOME/.inst/'), ['/home/alice/.inst', 'alice'])
  const { rules } = parseConfig([{ file: '/f', text: '/tmp /i/ user:noinit root' }], {
    mode: 'strict',
    names,
  })
  const inRoot = rules.map((rule) => ({ ...rule, prefix: '/inst-' }))
  t.throws(() => makePlan(inRoot, 'strict', alice, md5), ConfigError, 'instances in / itself are refused')
})

t.test('a user name that cannot be a file’s name is refused', async (t) => {
  for (const user of [
    '',
    '.',
    '..',
    'a/b',
    '/',
    'a\0b',
    '-rf',
    '-',
    'a.job1',
    'a.session7',
    'a.sessionc7',
    'a.sessionp7_12',
  ]) {
    t.throws(() => plan('/tmp /i/ user:noinit root', { user }), UnsafePathError, JSON.stringify(user))
    t.same(plan('/tmp /i/ user:noinit ~bob', { user }).steps, [], 'unless no line concerns him')
  }
  for (const user of ['...', 'a.job', 'steve.jobs', 'jeff.sessions', '.hidden', 'a b', 'é', 'a.job1.x'])
    t.equal(plan('/tmp /i/ user:noinit root', { user }).steps.length, 1, user)
})

t.test('create= has the user as owner where it names none', async (t) => {
  const create = (flag: string) => plan(`/tmp /i/ user:noinit:${flag} root`).steps[0]?.create
  t.same(create('create'), { mode: null, uid: 5001, gid: 5001 })
  t.same(create('create=0750'), { mode: 0o750, uid: 5001, gid: 5001 })
  t.match(create('create=01777,root,staff'), { mode: 0o1777, uid: 0, gid: 50 })
  t.equal(plan('/tmp /i/ user:noinit root').steps[0]?.create, null)
  t.equal(
    plan('/tmp /i/ user:create=1777 root', {}, 'compat').steps[0]?.create?.mode,
    1777 & 0o7777,
    'decimal in compat',
  )
})

t.test(
  'the init script is the default one of its kind of file, unless the line says otherwise',
  async (t) => {
    const script = (method: string, mode: 'strict' | 'compat') =>
      plan(`/tmp /i/ ${method} root`, {}, mode).steps[0]?.initScript
    t.same(script('user', 'strict'), { path: '/etc/polyns/namespace.init', required: false })
    t.same(script('user', 'compat'), { path: '/etc/security/namespace.init', required: false })
    t.same(script('user:iscript=/x', 'strict'), { path: '/x', required: true })
    t.same(script('user:iscript=x', 'compat'), { path: '/etc/security/namespace.d/x', required: false })
    t.equal(script('user:noinit', 'strict'), null)
  },
)

t.test(
  'sessions may share a namespace when their plans are the same, and nothing in it is one session’s',
  async (t) => {
    const key = (text: string, who: Partial<Who> = {}) => planKey(plan(text, who))
    const line = '/tmp /i/ user:noinit:scope=job root'
    t.equal(key(line), key(line, { sessionId: 'other' }))
    t.not(key(line), key(line, { jobId: '7' }), 'another job')
    t.not(key(line), key(line, { user: 'bob', uid: 5002 }), 'another user')
    t.not(key(line), key(line.replace('noinit', 'noinit:nosuid')), 'another flag')
    t.not(key(line), key(`${line}\n/var/tmp /j/ user:noinit root`), 'another line')
    t.equal(plan(line).joinable, true)
    t.equal(plan('/tmp tmpfs tmpfs:noinit root').joinable, true)
    t.equal(plan('/tmp /i/ tmpdir:noinit root').joinable, false)
    t.equal(plan('/tmp /i/ user:noinit:scope=session root').joinable, false)
  },
)
