/*
 * A daemon that an administrator restarts out of a private session: with --global it is the host's; without, it runs in that
 * session's namespace, and still gives everybody who comes by it a session of his own.
 */
import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { installPolyns, PAM_LINE } from '../support/install.js'
import { needs } from '../support/needs.js'
import { link } from '../support/proc.js'
import { type Process, Sandbox } from '../support/sandbox.js'
import { Lookout } from './caller.js'
import { Shell } from './shell.js'
import { settled } from './state.js'

const skip = needs('root', 'layer', 'dist')

const SSHD = '/usr/sbin/sshd -p 2222 -o PidFile=/run/second.pid'

/** @param line for sudo; null: its stack has no line of polyns */
async function machine(line: string | null): Promise<Lookout> {
  const box = await Sandbox.start()
  await installPolyns(box, '/tmp /tmp/inst/ user:noinit root,carol\n')
  const lookout = await Lookout.on(box)
  for (const service of ['cron', 'atd']) await lookout.addLine(service, PAM_LINE)
  if (line !== null) for (const service of ['sudo', 'sudo-i']) await lookout.addLine(service, line)
  await box.startSshd({ pamLines: [PAM_LINE] })
  for (const user of ['alice', 'bob']) await box.ssh(user, 'true')
  await lookout.mark('host', '/tmp')
  for (const user of ['alice', 'bob']) await lookout.mark(user, `/tmp/inst/${user}`)
  await box.sh('mkdir -m 755 /mnt/disk')
  return lookout
}

/** The processes in a namespace. */
function thoseIn(box: Sandbox, mntNs: string): string[] {
  return box
    .processes()
    .filter((p) => p.mntNs === mntNs)
    .map((p) => p.command)
}

/** The open files of a process that lie on no mount of the host's. */
function foreignFiles(box: Sandbox, { hostPid }: Process): string[] {
  const table = readFileSync(`/proc/${box.host.pid1}/mountinfo`, 'utf8')
  const ofHost = new Set(table.split('\n').map((line) => line.split(' ')[0]))
  return readdirSync(`/proc/${hostPid}/fd`)
    .map((fd) => ({ path: link(`/proc/${hostPid}/fd/${fd}`), info: `/proc/${hostPid}/fdinfo/${fd}` }))
    .filter(({ path }) => path.startsWith('/')) // pipes and sockets are on no mount
    .filter(({ info }) => !ofHost.has(/^mnt_id:\s+(\d+)$/m.exec(readFileSync(info, 'utf8'))?.[1] ?? ''))
    .map(({ path }) => path)
}

t.test('sudo -i with --global', { skip }, async (t) => {
  const lookout = await machine(`${PAM_LINE} --global`)
  await using box = lookout.box
  const alice = await Shell.open(box, 'alice')
  const bob = await Shell.open(box, 'bob')
  const hers = alice.mntNs
  t.not(hers, box.host.mntNs)
  const asRoot = async (command: string) => (await alice.run(`cd /tmp; sudo -i sh -c '${command}'`)).trim()

  t.equal(await asRoot('readlink /proc/self/ns/mnt'), box.host.mntNs, 'is in the namespace of pid 1')
  t.equal(await asRoot('cat /tmp/whose'), 'host')
  await asRoot('mount -t tmpfs disk /mnt/disk; touch /mnt/disk/here')
  t.equal(await bob.run('ls /mnt/disk'), 'here\n', 'so a mount made there is seen in the sessions that run')
  t.equal(await alice.run('ls /mnt/disk'), 'here\n')

  const sshd = await lookout.daemon(alice, `cd /tmp; sudo -i ${SSHD}`)
  await asRoot('atd -b 0 </dev/null >/dev/null 2>&1')
  t.equal(sshd.mntNs, box.host.mntNs, 'and a daemon started there is the host’s')
  t.same(foreignFiles(box, sshd), [], 'with no file open in hers')
  await alice.close()
  t.same(thoseIn(box, hers), [], 'no process is in her namespace once she has logged out')

  const sight = await lookout.look(lookout.ssh('bob', '-p 2222'))
  t.match(
    sight,
    { user: 'bob', whose: 'bob', left: 'bob', ns: bob.mntNs },
    'bob joins his other session by it',
  )
  t.match(await lookout.look(lookout.ssh('carol', '-p 2222')), { whose: 'host', ns: box.host.mntNs })
  const job = await lookout.look(async (sees) => bob.run(`cd /tmp; echo ${sees} | at now`))
  t.match(job, { user: 'bob', whose: 'bob', cwd: 'bob', ns: bob.mntNs }, 'and so does his job')
  await bob.close()
  await box.sh(`umount /mnt/disk; kill ${sshd.pid} $(cat /run/atd.pid)`)
})

t.test('plain sudo, in whose stack polyns is not', { skip }, async (t) => {
  const lookout = await machine(null)
  await using box = lookout.box
  const before = box.mountinfo()
  const alice = await Shell.open(box, 'alice')
  const hers = alice.mntNs
  await alice.run('echo hers >/tmp/secret; chmod 644 /tmp/secret')
  const sshd = await lookout.daemon(alice, `sudo -i ${SSHD}`)
  await alice.run(
    'sudo -i atd -b 0 </dev/null >/dev/null 2>&1; until [ -s /run/atd.pid ]; do sleep 0.01; done',
  )
  t.equal(sshd.mntNs, hers, 'a daemon started by it runs in her namespace')
  t.equal(await box.sh(`cat /proc/${sshd.pid}/root/tmp/secret`), 'hers\n')
  await alice.close()

  for (const when of ['while it is the daemon’s', 'when it has been joined'] as const) {
    const bob = await lookout.look(lookout.ssh('bob', '-p 2222'), '/tmp', async () => {
      const r = await box.run('ssh -p 2222 bob@127.0.0.1 "cat /tmp/secret; findmnt -n -o FSROOT /tmp"')
      t.match(
        r,
        { stdout: /^\/\n\/tmp\/inst\/bob\n$/, stderr: /No such file/ },
        'on an anchor, and not on top of hers',
      )
    })
    t.match(bob, { user: 'bob', whose: 'bob', left: 'bob' }, `bob has his own, ${when}`)
    t.not(bob.ns, hers)
    t.not(bob.ns, box.host.mntNs)
  }
  const carol = await lookout.look(lookout.ssh('carol', '-p 2222'), '/tmp', async () => {
    const r = await box.run('ssh -p 2222 carol@127.0.0.1 cat /tmp/secret')
    t.match(r, { stdout: /^$/, stderr: /No such file/ })
  })
  t.match(
    carol,
    { user: 'carol', whose: 'host', ns: box.host.mntNs, left: 'host' },
    'carol, who is excluded, has the host’s',
  )
  t.match((await box.run('scp -q -P 2222 carol@127.0.0.1:/tmp/secret /root/')).stderr, /No such file/)

  for (const [user, whose] of [
    ['bob', 'bob'],
    ['carol', 'host'],
  ] as const) {
    const submit = (sees: string) => box.sh(`echo ${sees} | at now`, { user, cwd: '/tmp' })
    const job = await lookout.look(submit)
    t.match(job, { user, whose, cwd: whose, left: whose }, `and so has a job of ${user}’s by her atd`)
    t.not(job.ns, hers)
  }
  const again = await Shell.open(box, 'alice')
  t.equal(await again.run('cat /tmp/secret'), 'hers\n', 'she finds her files again')
  t.not(again.mntNs, hers, 'in a new namespace: a daemon is no session of hers')
  await again.close()
  await box.sh(`kill ${sshd.pid} $(cat /run/atd.pid)`)
  await lookout.until('their end', () => thoseIn(box, hers).length === 0)
  t.same((await settled(box)).mounts, before, 'and the host has the mounts that it had')
})
