/*
 * What makes a login wait besides file systems: a lock that nobody lets go, a name service and a system log that do not answer.
 * Each ends within its limit, says why, and leaves the application as it was. limits-hung.test.ts has the file systems.
 */
import t from 'tap'
import { logged, machine, wasRefusedInTime } from '../support/limits.js'
import { needs } from '../support/needs.js'

const skip = needs('root', 'layer', 'dist')

t.test('the lock is held by a process that has stopped', { skip }, async (t) => {
  await using box = await machine()
  t.equal((await box.pamApp({ service: 'app', user: 'alice' })).open, 0)
  const holder = box.spawn(['flock', '/run/polyns/lock/5001', 'sh', '-c', 'echo held; kill -STOP $$'])
  await holder.waitFor(/held/, 30_000)
  wasRefusedInTime(t, await box.pamApp({ service: 'app', user: 'alice' }))
  t.match(await logged(box, /refused/), /at: set up the session, .*'\/run\/polyns\/lock\/5001'$/)
  t.equal((await box.pamApp({ service: 'app', user: 'bob' })).open, 0, 'that of another user is another')
  const patient = await box.pamApp({ service: 'plain', user: 'alice' }, { timeoutMs: 90_000 })
  t.not(patient.open, 0)
  t.ok(patient.openMs > 29_000 && patient.openMs < 45_000, `the lock's own limit: ${patient.openMs} ms`)
  t.match(await logged(box, /30 s/), /the lock .*\/run\/polyns\/lock\/5001.*another polyns has held it/)
})

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
