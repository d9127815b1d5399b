/* keep=: root's directories that stay visible in the private one, and what users cannot make of that. */
import t from 'tap'
import { installPolyns, PAM_LINE } from '../support/install.js'
import { plainStack } from '../support/logins.js'
import { needs } from '../support/needs.js'
import { Sandbox } from '../support/sandbox.js'
import { logged } from './state.js'

const skip = needs('root', 'layer', 'dist')

t.test('keep', { skip }, async (t) => {
  await using box = await Sandbox.start()
  await installPolyns(box, '/tmp /tmp/inst/ user:noinit:keep=.X11-unix,.ICE-unix root\n')
  await box.pam('app', plainStack([PAM_LINE]))
  const open = async (command: string) => {
    const r = await box.pamApp({ service: 'app', user: 'alice', command })
    t.equal(r.open, 0)
    return r.command?.stdout
  }
  await box.sh('mkdir -m 1777 /tmp/.X11-unix; touch /tmp/.X11-unix/X0 /tmp/hidden')

  await t.test('shows root’s directory in the private one, and skips what is missing', async (t) => {
    t.equal(await open('ls -A /tmp; ls /tmp/.X11-unix; touch /tmp/.X11-unix/X1'), '.X11-unix\nX0\n')
    t.equal(await box.sh('ls /tmp/.X11-unix'), 'X0\nX1\n', 'it is the very same')
    t.equal(await box.sh('ls -A /tmp/inst/alice/.X11-unix'), '', 'and no copy')
    t.same(
      box.mountinfo().filter((mount) => mount.includes('X11')),
      [],
      'the host has no mount of it',
    )
  })
  for (const [what, make] of [
    ['a directory that a user made', 'mkdir /tmp/.ICE-unix; chown bob /tmp/.ICE-unix'],
    ['a symlink', 'ln -s /etc /tmp/.ICE-unix'],
    ['a file', 'touch /tmp/.ICE-unix'],
    ['a mount', 'mkdir /tmp/.ICE-unix; mount -t tmpfs mine /tmp/.ICE-unix'],
  ] as const) {
    await t.test(`leaves out ${what}, and says so in the log`, async (t) => {
      await box.sh(`umount /tmp/.ICE-unix 2>/dev/null; rm -rf /tmp/.ICE-unix; ${make}`)
      const from = (await logged(box)).length
      t.equal(await open('ls -A /tmp'), '.X11-unix\n')
      t.match((await logged(box, from))[0], /^authpriv\.warning: app: session of alice: keep=\.ICE-unix: /)
    })
  }
  await t.test('does not follow what the user has in its place', async (t) => {
    await box.sh('rmdir /tmp/inst/alice/.X11-unix; ln -s /etc /tmp/inst/alice/.X11-unix')
    const from = (await logged(box)).length
    t.equal(await open('readlink /tmp/.X11-unix; ls /etc/passwd'), '/etc\n/etc/passwd\n')
    t.match((await logged(box, from)).join('\n'), /keep=\.X11-unix: .* is not a directory and is left out/)
  })
})
