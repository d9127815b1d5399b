import t from 'tap'
import { parseMountinfo } from '../../../src/mountinfo/parse.js'
import { MountTable } from '../../../src/mountinfo/table.js'
import { type Place, planMounts, type Wishes } from '../../../src/propagation/plan.js'
import { UsageError } from '../../../src/sys/errors.js'
import {
  BELOW_TMP,
  CHROOT,
  OWN_PARTITION,
  PLAIN_INIT,
  SHM_TWICE,
  SYSTEMD,
} from '../mountinfo/fixtures/tables.js'

const place = (path: string): Place => ({ path, real: path, note: '' })
const gone = (path: string): Place => ({ path, real: null, note: 'it is not there' })

const USUAL: Wishes = {
  polydirs: [place('/tmp'), place('/dev/shm')],
  parents: [place('/tmp/inst'), place('/dev/shm/inst')],
  share: [],
  keepRoot: false,
}

/** One line a step, as people see it. */
function plan(text: string, wishes: Partial<Wishes> = {}): string[] {
  const table = new MountTable(parseMountinfo(text))
  return planMounts(table, { ...USUAL, ...wishes }).map(
    ({ outcome, command, note }) => `${outcome} ${command}${note === '' ? '' : ` # ${note}`}`,
  )
}

t.test(
  'systemd: / is shared already, and /tmp is a shared tmpfs, which is left as it is below the bind',
  (t) => {
    t.strictSame(plan(SYSTEMD), [
      'already mount --make-rshared /',
      'would mount --bind --make-private /tmp /tmp',
      'would mount --bind --make-private /dev/shm /dev/shm',
      'already mount --bind --make-private /tmp/inst /tmp/inst # part of /tmp, which is private',
      'already mount --bind --make-private /dev/shm/inst /dev/shm/inst # part of /dev/shm, which is private',
    ])
    t.end()
  },
)

t.test('a plain init: making / shared makes private mounts shared, so that even they get a bind', (t) => {
  t.strictSame(plan(PLAIN_INIT), [
    'would mount --make-rshared /',
    'would mount --bind --make-private /tmp /tmp',
    'would mount --bind --make-private /dev/shm /dev/shm',
    'already mount --bind --make-private /tmp/inst /tmp/inst # part of /tmp, which is private',
    'already mount --bind --make-private /dev/shm/inst /dev/shm/inst # part of /dev/shm, which is private',
  ])
  t.strictSame(plan(OWN_PARTITION), plan(PLAIN_INIT), 'with /tmp on its own partition too')
  t.strictSame(plan(SHM_TWICE), plan(PLAIN_INIT), 'and with /dev/shm mounted twice')
  t.end()
})

t.test(
  'a bind of ours that a run which was killed has left shared is made private, and not bound again',
  (t) => {
    const isOurs = ({ mountPoint }: { mountPoint: string }) => mountPoint === '/tmp'
    t.strictSame(plan(SYSTEMD, { isOurs }).slice(1, 4), [
      'would mount --make-rprivate /tmp # a run that was killed has bound it',
      'would mount --bind --make-private /dev/shm /dev/shm',
      'already mount --bind --make-private /tmp/inst /tmp/inst # part of /tmp, which is private',
    ])
    t.end()
  },
)

t.test('--keep-root: a private mount at the very point will do', (t) => {
  const [root, tmp, shm] = plan(OWN_PARTITION, { keepRoot: true })
  t.equal(root, 'skipped mount --make-rshared / # --keep-root')
  t.equal(tmp, 'already mount --bind --make-private /tmp /tmp')
  t.equal(shm, 'already mount --bind --make-private /dev/shm /dev/shm')
  t.equal(
    plan(PLAIN_INIT, { keepRoot: true })[1],
    'would mount --bind --make-private /tmp /tmp',
    'a directory on a private mount is no mount point',
  )
  t.end()
})

t.test('what is set up stays: the plan for the table after the first run has nothing to do', (t) => {
  const after = `${SYSTEMD}\
90 40 0:35 / /tmp rw,nosuid,nodev - tmpfs tmpfs rw,size=8192k
91 31 0:26 / /dev/shm rw,nosuid,nodev - tmpfs tmpfs rw
`
  t.strictSame(
    plan(after).filter((line) => !line.startsWith('already')),
    [],
  )
  t.end()
})

t.test('a slave is not private', (t) => {
  const slave = PLAIN_INIT.replace('/dev/shm rw,relatime -', '/dev/shm rw,relatime master:3 -')
  t.match(plan(slave, { keepRoot: true })[2], /^would /)
  t.match(plan(slave.replace('master:3', 'unbindable'), { keepRoot: true })[2], /^already /)
  t.end()
})

t.test('mounts below /tmp are bound with it, so that none is hidden', (t) => {
  const steps = plan(BELOW_TMP, {
    polydirs: [place('/tmp'), place('/tmp/scratch')],
    parents: [place('/tmp/inst'), place('/tmp/scratch/deep/inst')],
  })
  t.strictSame(steps, [
    'already mount --make-rshared /',
    'would mount --rbind --make-rprivate /tmp /tmp',
    'already mount --rbind --make-rprivate /tmp/scratch /tmp/scratch # part of /tmp, which is private',
    'already mount --bind --make-private /tmp/inst /tmp/inst # part of /tmp, which is private',
    'already mount --bind --make-private /tmp/scratch/deep/inst /tmp/scratch/deep/inst # part of /tmp, which is private',
  ])
  t.end()
})

t.test('the outer of two polydirs comes first, whatever their order', (t) => {
  const steps = plan(SYSTEMD, { polydirs: [place('/var/tmp/x'), place('/var/tmp')], parents: [] })
  t.strictSame(steps.slice(1), [
    'would mount --bind --make-private /var/tmp /var/tmp',
    'would mount --bind --make-private /var/tmp/x /var/tmp/x',
  ])
  t.end()
})

t.test('an instance parent outside of every polydir gets a mount of its own', (t) => {
  t.equal(
    plan(SYSTEMD, { parents: [place('/var/inst')] })[3],
    'would mount --bind --make-private /var/inst /var/inst',
  )
  t.match(
    plan(PLAIN_INIT, { parents: [place('/var/inst')], keepRoot: true })[3],
    /^already/,
    'not where nothing is shared',
  )
  t.strictSame(
    plan(SYSTEMD, { polydirs: [], parents: [place('/i/j'), place('/i')] }).slice(1),
    [
      'would mount --bind --make-private /i /i',
      'already mount --bind --make-private /i/j /i/j # part of /i, which is private',
    ],
    'nor in another parent',
  )
  t.end()
})

t.test('what is not there is skipped', (t) => {
  const [, tmp, parent, tree] = plan(SYSTEMD, {
    polydirs: [gone('/scratch')],
    parents: [gone('/scratch/inst')],
    share: [gone('/s')],
  })
  t.equal(tmp, 'skipped mount --bind --make-private /scratch /scratch # it is not there')
  t.match(parent, /^skipped .* # it is not there/)
  t.match(tree, /^skipped .* # it is not there/)
  t.end()
})

t.test('--share', (t) => {
  const share = (text: string, path: string, more: Partial<Wishes> = {}) =>
    plan(text, { share: [place(path)], ...more }).at(-1)
  t.equal(share(SYSTEMD, '/home'), 'already mount --make-rshared /home')
  t.equal(
    share(PLAIN_INIT, '/dev', { polydirs: [], parents: [] }),
    'already mount --make-rshared /dev',
    'with /',
  )
  t.equal(
    share(PLAIN_INIT, '/dev', { keepRoot: true, polydirs: [], parents: [] }),
    'would mount --make-rshared /dev',
  )
  t.equal(share(SYSTEMD, '/mnt'), 'already mount --make-rshared /mnt # part of /, which is shared')
  t.equal(
    share(PLAIN_INIT, '/mnt', { keepRoot: true }),
    'would mount --bind --make-private --make-shared /mnt /mnt',
  )
  t.equal(
    share(BELOW_TMP.replaceAll(/ shared:\d+/g, ''), '/tmp', { polydirs: [], parents: [], keepRoot: true }),
    'would mount --rbind --make-rprivate --make-rshared /tmp /tmp',
  )
  const one = BELOW_TMP.replace(' shared:21', '')
  t.strictSame(
    plan(one, { share: [place('/tmp')], polydirs: [], parents: [] }).slice(1),
    [
      'already mount --make-rshared /tmp # part of /, which is shared',
      'would mount --make-rshared /tmp/scratch/deep',
    ],
    'only what is private in it',
  )
  const contradiction = (path: string, inner: string) =>
    new UsageError(`--share ${path} would share ${inner}, which the configuration makes private`)
  t.throws(() => share(SYSTEMD, '/tmp'), contradiction('/tmp', '/tmp'))
  t.throws(() => share(SYSTEMD, '/dev'), contradiction('/dev', '/dev/shm'))
  t.throws(() => share(SYSTEMD, '/'), contradiction('/', '/tmp'))
  const why = '--share /tmp/x is in /tmp, which the configuration makes private: no session would see it'
  t.throws(() => share(SYSTEMD, '/tmp/x'), new UsageError(why))
  t.end()
})

t.test('/ that is no mount point: what there is to do without it', (t) => {
  const steps = plan(CHROOT, { keepRoot: true, parents: [place('/inst')] })
  t.equal(steps[1], 'would mount --bind --make-private /tmp /tmp')
  t.match(steps.at(-1), /^already/, 'nothing is known to be shared there')
  t.end()
})

t.test('the lines can be pasted into a shell', (t) => {
  const steps = plan(SYSTEMD, {
    polydirs: [place("/a b/it's"), place('/x\n/y'), place('/x/{a,b}*')],
    parents: [],
  })
  t.equal(steps[1], `would mount --bind --make-private '/a b/it'\\''s' '/a b/it'\\''s'`)
  t.equal(steps[3], `would mount --bind --make-private '/x/{a,b}*' '/x/{a,b}*'`)
  t.equal(steps[2], String.raw`would mount --bind --make-private '/x\x0a/y' '/x\x0a/y'`)
  t.end()
})
