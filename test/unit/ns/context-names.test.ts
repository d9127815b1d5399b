/* How makePlan names instances: the hash, the options, and the methods that go by context. */
import { createHash } from 'node:crypto'
import t from 'tap'
import { parseConfig } from '../../../src/config/index.js'
import { type BindStep, makePlan, type PlanOptions, planKey } from '../../../src/ns/plan.js'
import { ConfigError, UnsafePathError, UnsupportedError } from '../../../src/sys/errors.js'

const md5 = (text: string) => createHash('md5').update(text).digest('hex')
const none = { userByName: () => null, groupByName: () => null }
const CONTEXT = 'system_u:object_r:tmp_t:s2:c7'
const inLevel: PlanOptions = { contextOf: () => ({ context: CONTEXT }) }
const withoutSelinux: PlanOptions = { contextOf: () => ({ unavailable: 'SELinux is off' }) }

function plan(line: string, options: PlanOptions = {}, user = 'alice') {
  const { rules } = parseConfig(
    [
      {
        file: 'f',
        text: `${line}
`,
      },
    ],
    { mode: 'strict', names: none },
  )
  const who = { user, uid: 5001, gid: 5001, gids: [5001], home: '/home/a', sessionId: '7', jobId: '12' }
  return makePlan(rules, 'strict', who, md5, options)
}
const step = (...args: Parameters<typeof plan>) => plan(...args).steps[0] as BindStep

t.test('an instance is called', (t) => {
  const alice = '6384e2b2184bcbf58eccf10ca7a6563c'
  const long = 'a'.repeat(81)
  const cases: [string, string, PlanOptions, string, string][] = [
    ['by the user', 'user', {}, 'alice', 'alice'],
    ['by the user’s hash with --gen-hash', 'user', { genHash: true }, 'alice', alice],
    ['by that hash and the job', 'user:scope=job', { genHash: true }, 'alice', `${alice}.job12`],
    ['by 80 bytes as they are', 'user', {}, 'a'.repeat(80), 'a'.repeat(80)],
    ['by 47 of 81 bytes and the hash', 'user', {}, long, `${'a'.repeat(47)}_${md5(long)}`],
    [
      'counting bytes, not characters',
      'user',
      {},
      `a${'é'.repeat(40)}`,
      `a${'é'.repeat(23)}_${md5(`a${'é'.repeat(40)}`)}`,
    ],
    ['by level', 'level', inLevel, 'alice', `${CONTEXT}_alice`],
    ['by context', 'context', inLevel, 'alice', `${CONTEXT}_alice`],
    ['by level and job', 'level:scope=job', inLevel, 'alice', `${CONTEXT}_alice.job12`],
    ['by level alone where it is shared', 'level:shared', inLevel, 'alice', CONTEXT],
    ['by the hash of it all', 'level', { ...inLevel, genHash: true }, 'alice', md5(`${CONTEXT}_alice`)],
    ['by the user where there is no SELinux', 'level', withoutSelinux, 'alice', 'alice'],
  ]
  for (const [name, method, options, user, expected] of cases) {
    t.equal(step(`/tmp /tmp/inst/ ${method}`, options, user).name, expected, name)
  }
  t.equal(`${CONTEXT}_${'u'.repeat(60)}`.length > 80, true)
  t.equal(
    step('/tmp /tmp/inst/ level', inLevel, 'u'.repeat(60)).name,
    `system_u:object_r:tmp_t:s2:c7_${'u'.repeat(17)}_${md5(`${CONTEXT}_${'u'.repeat(60)}`)}`,
    'long names of contexts are cut too',
  )
  t.throws(
    () => step('/tmp /tmp/inst/ user', {}, 'é'.repeat(60)),
    UnsafePathError,
    'a cut within a character is refused',
  )
  t.end()
})

t.test('the label and the sharing stand in the step, and in the key', (t) => {
  t.match(step('/tmp /tmp/inst/ level', inLevel), { label: CONTEXT, parent: '/tmp/inst', fresh: false })
  t.match(step('/tmp /tmp/inst/ level:shared', inLevel), { label: CONTEXT, shared: true })
  t.notOk('label' in step('/tmp /tmp/inst/ user', inLevel), 'method user takes the polydir’s own')
  const other = { contextOf: () => ({ context: 'system_u:object_r:tmp_t:s3' }) }
  t.not(
    planKey(plan('/tmp /tmp/inst/ level', inLevel)),
    planKey(plan('/tmp /tmp/inst/ level', other)),
    'sessions of two levels do not share a namespace',
  )
  t.end()
})

t.test('where SELinux is off', (t) => {
  const fallen = plan('/tmp /tmp/inst/ level', withoutSelinux)
  t.same(fallen.notes, ['/tmp: method level is as good as method user here, for SELinux is off'])
  t.same(planKey(fallen), planKey(plan('/tmp /tmp/inst/ user', {})), 'it is the plan of method user')
  t.throws(
    () => plan('/tmp /tmp/inst/ context:shared', withoutSelinux),
    { constructor: UnsupportedError, message: /^\/tmp, by method context and shared: SELinux is off/ },
    'a shared one is refused: pam_namespace leaves the real directory in place without a word',
  )
  t.end()
})

t.test('nothing is looked up but for a line that asks and applies', (t) => {
  const asked: unknown[] = []
  const contextOf: PlanOptions['contextOf'] = (request) => {
    asked.push(request)
    return { context: CONTEXT }
  }
  plan('/tmp /tmp/inst/ user\n/a /i/a- level :5001\n/b /i/b- level:create\n/c tmpfs tmpfs', { contextOf })
  t.same(asked, [{ method: 'level', polydir: '/b', creates: true }])
  t.throws(() => plan('/b /i/b- level'), ConfigError, 'without a lookup the line is refused')
  t.end()
})

t.test('--ignore-instance-parent-mode stands in the plan', (t) => {
  t.notOk('ignoreParentMode' in plan('/tmp /tmp/inst/ user'))
  t.equal(plan('/tmp /tmp/inst/ user', { ignoreParentMode: true }).ignoreParentMode, true)
  t.end()
})
