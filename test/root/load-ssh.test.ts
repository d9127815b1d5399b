/*
 * Two hundred logins at once through real sshd, and all of them open at the same time. Half of the users share a namespace among their sessions; the others get a
 * /var/tmp for each session besides, and so a namespace for each. All of them succeed, and nothing is left.
 */
import t from 'tap'
import { addUsers, remains, times } from '../support/crowd.js'
import { install } from '../support/inside.js'
import { installPolyns, PAM_LINE } from '../support/install.js'
import { needs } from '../support/needs.js'
import { sleep } from '../support/run.js'
import { Sandbox } from '../support/sandbox.js'
import type { BurstCall, BurstReport } from './entry/burst.js'
import { logged, settled } from './state.js'

const skip = needs('root', 'layer', 'dist')
const USERS = 10
const EACH = 20
const COUNT = USERS * EACH

// No process besides the shell: the roots of what is on top of /tmp and /var/tmp, and what all sessions have written there.
const SESSION = `echo "$LOGNAME" >/tmp/$$ && echo "$LOGNAME" >/var/tmp/$$ || exit
while read -r _ _ _ root at _; do case $at in /tmp) tmp=$root ;; /var/tmp) var=$root ;; esac; done </proc/self/mountinfo
echo "$tmp $var"
for f in /tmp/*; do read -r who <$f; [ "$who" = "$LOGNAME" ] || [ -z "$who" ] || echo "/tmp: $f is of $who"; done
n=0; for f in /var/tmp/*; do n=$((n + 1)); done; echo "$n"
read -r _ </srv/gate || exit 0`

t.setTimeout(900_000) // half a minute where nothing else runs

t.test(`${COUNT} ssh logins at once`, { skip, timeout: 800_000 }, async (t) => {
  await using box = await Sandbox.start()
  const sharing = await addUsers(box, 'share', USERS / 2, 7000)
  const alone = await addUsers(box, 'alone', USERS / 2, 7100)
  const users = [...sharing, ...alone]
  const ofAlone = `/var/tmp /var/tmp/inst/ tmpdir:noinit ~${alone.join(',')}`
  await installPolyns(box, `/tmp /tmp/inst/ user:noinit root\n${ofAlone}\n`)
  await box.sh('install -m 644 /root/.ssh/id_ed25519.pub /etc/ssh/keys')
  const config = [
    'AuthorizedKeysFile /etc/ssh/keys',
    `MaxStartups ${2 * COUNT}`,
    'UseDNS no',
    'LoginGraceTime 600',
  ]
  await box.startSshd({ pamLines: [PAM_LINE], config })
  for (const user of users) await box.ssh(user, 'true')
  const before = await settled(box)
  const from = (await logged(box)).length

  const argv = (user: string) => ['ssh', '-o', 'ConnectTimeout=600', `${user}@127.0.0.1`, SESSION]
  const commands = Array.from({ length: COUNT }, (_, i) => argv(users[i % USERS] ?? ''))
  await box.sh('mkfifo -m 644 /srv/gate')
  const program = await install(box, 'burst')
  const burst = box.spawn([program, JSON.stringify({ commands } satisfies BurstCall)])
  let isOver = false
  void burst.exited.then(() => {
    isOver = true
  })
  const start = performance.now()
  const written = async () => Number(await box.sh('ls /tmp/inst/* | grep -c "^[0-9]"; true'))
  while (!isOver && (await written()) < COUNT && performance.now() - start < 600_000) await sleep(200)
  const allOpen = performance.now() - start
  const live = new Set(box.processes().flatMap(({ mntNs }) => mntNs || []))
  // Who has not come in by now waits there again.
  while (!isOver) await box.run('timeout 1 sh -c ": >/srv/gate"')
  const { stdout, stderr } = await burst.exited
  t.equal(stderr, '')
  const { totalMs, results } = JSON.parse(stdout) as BurstReport
  t.comment(`${COUNT} open at once after ${Math.round(allOpen)} ms, in ${live.size - 1} namespaces`)
  t.comment(`${COUNT} logins in ${totalMs} ms: ${times(results.map(({ ms }) => ms))}`)
  const wrong = results.filter(({ status, stdout, stderr }, i) => {
    const user = users[i % USERS] ?? ''
    const isAlone = user.startsWith('alone')
    // The sandbox's own /tmp and /var/tmp are no mounts: the anchor and the instance are all that is there.
    const roots = isAlone
      ? new RegExp(`^/tmp/inst/${user} /var/tmp/inst/[0-9a-f]{8}\\n1\\n$`)
      : new RegExp(`^/tmp/inst/${user} \\n\\d+\\n$`)
    return status !== 0 || stderr !== '' || !roots.test(stdout)
  })
  t.same(wrong, [], 'every login has what is its user’s, and nobody else’s')

  const after = await settled(box)
  const lines = (await logged(box, from)).filter((line) => / (opened|closed|refused)/.test(line))
  const count = (pattern: RegExp) => lines.filter((line) => pattern.test(line)).length
  t.same([count(/ opened, /), count(/ closed/), count(/refused/)], [COUNT, COUNT, 0], 'as the log says')
  t.equal(count(/alone\d opened, built/), COUNT / 2)
  t.equal(count(/share\d opened, joined/), (COUNT - USERS) / 2, 'one builds, the others join')
  t.same(after, before, 'no process, mount, record is left')
  t.same(await remains(box, ['/var/tmp/inst']), [], 'no lock is held, no directory of a session’s is left')
  const files = await box.sh(`cat /tmp/inst/*/* | sort | uniq -c | sed 's/^ *//'`)
  t.equal(
    files,
    users
      .sort()
      .map((user) => `${EACH} ${user}\n`)
      .join(''),
    'and what they wrote is where it should be',
  )
})
