/* Hooks and carry= in real logins: when they run, what they see, and that tickets of every login arrive. */
import t from 'tap'
import { installPolyns, PAM_LINE } from '../support/install.js'
import { needs } from '../support/needs.js'
import { sleep } from '../support/run.js'
import { Sandbox } from '../support/sandbox.js'
import { Shell } from './shell.js'
import { settled } from './state.js'

const skip = needs('root', 'layer', 'dist')

/** What sshd does with Kerberos: a ticket of the user's, in the real /tmp, before the session opens. */
const TICKET = `#!/bin/sh
[ $PAM_TYPE = open_session ] || exit 0
f=$(mktemp /tmp/krb5cc_5001_XXXXXX); echo ticket >$f; chown $PAM_USER $f
`
const HOOK = `#!/bin/sh
seen=$(ls /tmp | grep -c krb5cc_5001)
echo "$POLYNS_EVENT \${0##*/} $POLYNS_USER/$POLYNS_KIND $POLYNS_SERVICE $(readlink /proc/self/ns/mnt) $seen" >>/run/out
`

for (const [what, config] of [
  ['an instance on the same file system', '/tmp /tmp/polyns-inst/ user:noinit:carry=krb5cc_* root\n'],
  ['an instance on another file system', '/tmp /dev/shm/polyns-inst/ user:noinit:carry=krb5cc_* root\n'],
  ['a tmpfs', '/tmp x tmpfs:noinit:carry=krb5cc_* root\n'],
] as const) {
  t.test(what, { skip }, async (t) => {
    await using box = await Sandbox.start()
    await installPolyns(box, config)
    await box.write('/usr/local/bin/ticket', TICKET, 0o755)
    for (const event of ['open', 'close', 'last']) {
      for (const name of ['10W-waited', '20-behind']) {
        await box.write(`/etc/polyns/session.d/${event}/${name}`, HOOK, 0o755)
      }
    }
    await box.startSshd({ pamLines: ['session required pam_exec.so quiet /usr/local/bin/ticket', PAM_LINE] })

    const first = await Shell.open(box, 'alice')
    const { mntNs } = first
    t.equal(await first.run('cat /tmp/krb5cc_5001*'), 'ticket\n', 'her ticket is in her own /tmp')
    const second = await Shell.open(box, 'alice')
    t.equal(second.mntNs, mntNs, 'the second login joins')
    t.equal(await second.run('ls /tmp | grep -c krb5cc_5001'), '2\n', 'and brings its ticket along')
    t.equal(await box.sh('ls /tmp | grep krb || :'), '', 'none is left in the real one')
    await first.close()
    await sleep(500)
    await second.close()
    await settled(box)
    await sleep(300)

    const lines = (await box.read('/run/out'))
      .trim()
      .split('\n')
      .map((line) => line.replace(mntNs, 'HERE'))
    const of = (name: string) => lines.filter((line) => line.includes(name))
    const expected = (name: string) => [
      `open ${name} alice/built sshd HERE 1`,
      `open ${name} alice/joined sshd HERE 2`,
      `close ${name} alice/ sshd HERE 2`,
      `close ${name} alice/ sshd HERE 2`,
      `last ${name} alice/ sshd HERE 2`,
    ]
    t.same(of('10W-waited'), expected('10W-waited'), 'hooks run in the session, the last one once')
    t.same(of('20-behind').sort(), expected('20-behind').sort(), 'and so do those that nobody waits for')
  })
}
