/*
 * Real FUSE file systems in what is to be removed, one whose server hangs among them: what is in them is not touched, nobody
 * waits for their servers, and the rest goes.
 */
import t from 'tap'
import { call, install } from '../support/inside.js'
import { installPolyns, PAM_LINE, POLYNS } from '../support/install.js'
import { plainStack } from '../support/logins.js'
import { needs } from '../support/needs.js'
import { sleep } from '../support/run.js'
import { Sandbox } from '../support/sandbox.js'
import type { RemoveReport } from './entry/remove.js'

const skip = needs('root', 'layer', 'dist', 'fuse')
const SERVED = '/srv/served'
const PROMPT_MS = 10_000 // the budgets are a minute: nobody has waited for a server

/** A sandbox where `mounted(DIR)` puts an sshfs on a directory; its contents are those of /srv/served. */
async function machine() {
  const box = await Sandbox.start()
  await box.sh(
    `mount -t tmpfs -o mode=755 srv /srv && mkdir -p ${SERVED}/sub && touch ${SERVED}/{file,sub/file}`,
  )
  // The other end without a login: sshfs talks to whatever this runs.
  await box.write('/usr/local/bin/serve', '#!/bin/sh\nexec /usr/lib/openssh/sftp-server\n', 0o755)
  const options = 'ssh_command=/usr/local/bin/serve,dir_cache=no,attr_timeout=0,entry_timeout=0'
  const servers = async () => (await box.run('pgrep -x sshfs')).stdout.split('\n').filter(Boolean)
  return {
    box,
    mounted: (dir: string) =>
      box.sh(`mkdir -p ${dir} && sshfs -o ${options} box:${SERVED} ${dir} && ls ${dir}/file`),
    served: () => box.sh(`cd ${SERVED} && find . | sort`),
    /** All servers stop answering. */
    hang: async (dir: string) => {
      await box.sh(`kill -STOP ${(await servers()).join(' ')}`)
      const { timedOut } = await box.run(['stat', `${dir}/file`], { timeoutMs: 300 })
      if (!timedOut) throw new Error('it does not hang')
    },
    end: async () => {
      for (const pid of await servers()) await box.sh(`kill -KILL ${pid}`)
      for (let i = 0; i < 1500 && (await servers()).length > 0; i++) await sleep(20)
    },
  }
}
const WHOLE = '.\n./file\n./sub\n./sub/file\n'

for (const hangs of [false, true]) {
  t.test(`in a tree, a FUSE file system ${hangs ? 'that hangs' : 'that answers'}`, { skip }, async (t) => {
    const m = await machine()
    await using box = m.box
    const tree = '/srv/parent/tree'
    await box.sh(
      `mkdir -m 000 /srv/parent; mkdir -p ${tree}/{before,z/after}/deep; touch ${tree}/z/file ${tree}/z/one`,
    )
    await m.mounted(`${tree}/m/fuse`)
    await box.sh(`mount --bind ${tree}/m/fuse/file ${tree}/z/one`)
    // One that is deep enough to be lifted.
    const deep = `${tree}/${'d/'.repeat(40)}`
    await m.mounted(`${deep}fuse`)
    const program = await install(box, 'remove')
    if (hangs) await m.hang(`${tree}/m/fuse`)
    const report = await call<RemoveReport>(box, program, { parent: '/srv/parent', name: 'tree' })
    t.match(report, { complete: true, leaked: 0 })
    t.ok(report.ms < PROMPT_MS, `${report.ms} ms`)
    t.match(report.left.map(({ path, code }) => `${path.slice(tree.length)} ${code}`).sort(), [
      /^\/\.polyns-deep\.\w+\/.*fuse EXDEV$/,
      /^\/m\/fuse EXDEV$/,
      /^\/z\/one EBUSY$/,
    ])
    t.equal(await box.sh(`cd ${tree} && ls -A m z`), 'm:\nfuse\n\nz:\none\n')
    t.equal(await box.sh(`ls ${tree}`), 'm\nz\n')
    t.equal(await m.served(), WHOLE)
    await m.end()
    await box.sh(`umount ${tree}/z/one; for m in $(findmnt -rno TARGET -t fuse.sshfs); do umount $m; done`)
    t.match(await call(box, program, { parent: '/srv/parent', name: 'tree' }), { complete: true, left: [] })
    t.equal(await box.sh('ls -A /srv/parent'), '')
  })
}

t.test('reap with file systems that hang in instances, and on them', { skip }, async (t) => {
  const m = await machine()
  await using box = m.box
  await installPolyns(box, '/tmp /tmp/inst/ user:noinit root\n')
  await box.pam('app', plainStack([PAM_LINE]))
  for (const user of ['alice', 'bob', 'carol']) {
    await box.pamApp({ service: 'app', user, command: 'touch /tmp/file' })
  }
  await m.mounted('/tmp/inst/alice/fuse')
  await m.mounted('/tmp/inst/bob')
  await m.mounted('/tmp/inst/.reaped.0123')
  await m.hang('/tmp/inst/bob')
  const started = Date.now()
  const { removed, kept, left, complete } = JSON.parse(await box.sh(`${POLYNS} reap --json`))
  t.ok(Date.now() - started < PROMPT_MS, `${Date.now() - started} ms`)
  t.match(removed, [{ path: '/tmp/inst/alice' }, { path: '/tmp/inst/carol' }])
  t.match(kept, [{ path: '/tmp/inst/bob', why: 'something is mounted on it' }])
  t.match(left.map(({ path, why }: Record<string, string>) => `${path} ${why}`).sort(), [
    /^\/tmp\/inst\/\.reaped\.0123 EXDEV$/,
    /^\/tmp\/inst\/\.reaped\.\w{16}\/fuse EXDEV$/,
  ])
  t.ok(complete)
  t.match((await box.sh('ls -A /tmp/inst')).trim().split('\n'), [/^\.reaped\.0123$/, /^\.reaped\./, /^bob$/])
  await m.end()
  await box.sh('for m in $(findmnt -rno TARGET -t fuse.sshfs); do umount $m; done')
  t.match(JSON.parse(await box.sh(`${POLYNS} reap --json`)), { left: [], kept: [] })
  t.equal(await box.sh('ls -A /tmp/inst'), '')
  t.equal(await m.served(), WHOLE)
})

t.test(
  'what a user mounted in a session, and whose server hangs: it goes with --kill',
  { skip },
  async (t) => {
    const m = await machine()
    await using box = m.box
    await installPolyns(box, '/tmp /tmp/inst/ user:noinit root\n')
    await box.pam('app', plainStack([PAM_LINE]))
    await box.sh(`chmod 777 ${SERVED}`)
    const mount = `mkdir /tmp/m && sshfs -o ssh_command=/usr/local/bin/serve box:${SERVED} /tmp/m && touch /tmp/m/new /tmp/file`
    const { command } = await box.pamApp({
      service: 'app',
      user: 'alice',
      command: `setpriv --reuid alice --regid alice --init-groups sh -c '${mount}'`,
    })
    t.match(command, { status: 0, stderr: '' })
    const session = (await box.sh('pgrep -x sshfs')).trim()
    await box.sh(`kill -STOP ${session}`)
    t.match(JSON.parse(await box.sh(`${POLYNS} reap --json`)).kept, [
      { path: '/tmp/inst/alice', why: /^alice has / },
    ])
    const env = { SLURM_JOB_ID: '7', SLURM_JOB_USER: 'alice', SLURM_JOB_UID: '5001' }
    const { ended, removed, left } = JSON.parse(await box.sh(`${POLYNS} epilog --json --kill`, { env }))
    t.ok(ended.includes(Number(session)), 'though it does not hear SIGTERM')
    t.same([removed, left], [['/tmp/inst/alice'], []])
    t.equal(await box.sh('ls -A /tmp/inst'), '')
    t.equal(await m.served(), '.\n./file\n./new\n./sub\n./sub/file\n')
  },
)
