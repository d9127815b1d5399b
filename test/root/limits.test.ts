/*
 * What makes a login wait besides file systems: a name service and a system log that do not answer, a script that does not end.
 * Each ends within its limit, says why, and leaves the application as it was. limits-hung.test.ts has the file systems,
 * limits-lock.test.ts the lock.
 */
import t from 'tap'
import { POLYNS } from '../support/install.js'
import { logged, machine, wasRefusedInTime } from '../support/limits.js'
import { needs } from '../support/needs.js'

const skip = needs('root', 'layer', 'dist')

t.test(
  'no thread can be started: Node hangs before a line of ours is run, and is ended',
  { skip },
  async (t) => {
    await using box = await machine()
    const env = { PAM_TYPE: 'open_session', PAM_SERVICE: 'app', PAM_USER: 'alice' }
    const failing = 'strace -f -qq -o /dev/null -e trace=clone3 -e inject=clone3:error=EAGAIN:when=2+'
    const start = performance.now()
    const r = await box.run(`readlink /proc/self/ns/mnt; ${failing} ${POLYNS} pam; echo "status $?"`, {
      env,
      timeoutMs: 90_000,
    })
    const ms = Math.round(performance.now() - start)
    t.match(r, {
      stdout: new RegExp(`^${box.host.mntNs.replace(/[[\]]/g, '.')}\nstatus 142\n$`),
      timedOut: false,
    })
    t.ok(ms > 29_000 && ms < 60_000, `after ${ms} ms`)
    t.same(box.processes(), [], 'nothing is left')
    // Who may take longer than that, may.
    t.match(await box.run(`${POLYNS} exec --user alice -- sleep 33`, { timeoutMs: 90_000 }), { status: 0 })
  },
)

t.test('a name service that does not answer', { skip }, async (t) => {
  await using box = await machine()
  await box.sh('cp /etc/passwd /etc/passwd.real && rm /etc/passwd && mkfifo /etc/passwd')
  wasRefusedInTime(t, await box.pamApp({ service: 'app', user: 'alice' }))
  t.match(await logged(box, /refused/), /at: look up the user, getpwnam 'alice'$/)
  await box.sh('rm /etc/passwd && mv /etc/passwd.real /etc/passwd')
  t.equal((await box.pamApp({ service: 'app', user: 'alice' })).open, 0)
})

t.test('an init script that goes on and on', { skip }, async (t) => {
  await using box = await machine('/tmp /tmp/inst/ user:iscript=/etc/slow root\n')
  await box.write('/etc/slow', '#!/bin/sh\nexec sleep 20\n', 0o755)
  wasRefusedInTime(t, await box.pamApp({ service: 'app', user: 'alice' }))
  t.match(await logged(box, /refused/), /not done within 2 s/)
})

t.test('the system log takes nothing: logins do not wait for it', { skip }, async (t) => {
  await using box = await machine()
  await box.sh(`pkill -STOP -f '[s]yslogd.pl'
    for i in $(seq 5000); do timeout 0.3 logger full || exit 0; done; echo never full; exit 1`)
  const r = await box.pamApp({ service: 'plain', user: 'alice', command: 'ls -A /tmp' })
  t.match(r, { open: 0, close: 0, command: { status: 0, stdout: '' } })
  t.ok(r.openMs < 10_000 && (r.closeMs ?? Infinity) < 10_000, `${r.openMs} and ${r.closeMs} ms`)
  await box.sh('pkill -CONT -f [s]yslogd.pl')
  await box.pamApp({ service: 'plain', user: 'bob' })
  t.match(
    await logged(box, /bob opened/),
    /^authpriv\.info polyns\[\d+\]: plain: session of bob opened, built: \/tmp$/,
  )
})
