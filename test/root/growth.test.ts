/*
 * What a run of reap reads does not depend on how many directories it judges: each namespace's mount table, the records and
 * the processes once for each of its two looks. Counted, not timed.
 */
import t from 'tap'
import { addUsers } from '../support/crowd.js'
import { installPolyns, PAM_LINE, POLYNS } from '../support/install.js'
import { plainStack } from '../support/logins.js'
import { needs } from '../support/needs.js'
import { Sandbox } from '../support/sandbox.js'

const skip = needs('root', 'layer', 'dist')
const GONE = 20

t.test(`reap judges ${GONE} directories beside a live session`, { skip }, async (t) => {
  await using box = await Sandbox.start()
  await installPolyns(
    box,
    '/tmp /tmp/inst/ user:noinit root\n/var/tmp /var/tmp/inst/ user:noinit:scope=session root\n',
  )
  await box.pam('app', plainStack([PAM_LINE]))
  const users = await addUsers(box, 'gone', GONE, 7000)
  const app = await box.pamHold({ service: 'app', user: 'alice' })
  // Of each: a directory, and the record of a session that was never closed and had a directory of its own.
  const [name = ''] = (await box.sh('ls /run/polyns/sessions')).trim().split('\n')
  const record = await box.read(`/run/polyns/sessions/${name}`)
  const lines = users.map((user, i) => {
    const his = JSON.parse(record.replaceAll('alice', user))
    const uid = 7000 + i
    const text = JSON.stringify({ ...his, uid, leader: { pid: 2, tid: 2, startTime: '1' } })
    return `${user} ${uid} ${text}\n`
  })
  const make = 'mkdir -m 1777 /tmp/inst/$user; echo "$text" >/run/polyns/sessions/$uid-2-1.json'
  await box.sh(`while read -r user uid text; do ${make}; done`, { input: lines.join('') })
  const trace = '/var/tmp/trace'
  const strace = `strace -f -o ${trace} -e trace=openat,openat2,readlink ${POLYNS} reap --idle 0 --json`
  const { removed } = JSON.parse(await box.sh(strace, { timeoutMs: 120_000 }))
  t.equal(removed.length, GONE, 'all of the users’ directories are taken')
  const count = async (what: string) => Number(await box.sh(`grep -c '${what}' ${trace} || true`))
  t.equal(await box.sh('ls /run/polyns/sessions | grep -c -- -2-1.json || true'), '0\n', 'and the records')
  t.equal(await count(`"/proc/${app.pid}/status"`), 3, 'looks at the processes')
  t.ok((await count(`"/proc/${app.pid}/mountinfo"`)) <= 3, 'each mount table is read once a look')
  t.ok((await count('"/run/polyns/sessions", .*O_DIRECTORY')) <= 8, 'and the names of the sessions')
  await app.close()
})
