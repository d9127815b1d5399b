/* What each method and flag of a line gives the session, as the kernel shows it. */
import t, { type Test } from 'tap'
import { installPolyns, PAM_LINE } from '../support/install.js'
import { plainStack } from '../support/logins.js'
import { needs } from '../support/needs.js'
import type { Options } from '../support/pamapp.js'
import { Sandbox } from '../support/sandbox.js'
import { lastLogged, shellApp, wasRefused } from './state.js'

const skip = needs('root', 'layer', 'dist')
const ALICE = { PAM_USER: 'alice' }

class Machine {
  private constructor(readonly box: Sandbox) {}

  static async start(): Promise<Machine> {
    const box = await Sandbox.start()
    await installPolyns(box)
    await box.pam('app', plainStack([PAM_LINE]))
    return new Machine(box)
  }

  /** Opens a session with this configuration, and says what `command` wrote in it. */
  async open(config: string, command: string, options: Partial<Options> = {}) {
    await this.box.write('/etc/polyns/namespace.conf', `${config}\n`)
    const r = await this.box.pamApp({ service: 'app', user: 'alice', command, ...options })
    if (r.open !== 0) throw new Error(`refused: ${await lastLogged(this.box)}`)
    return { ...r, out: r.command?.stdout ?? '', err: r.command?.stderr ?? '' }
  }

  /** Opens one that must be refused, and says why. */
  async refusal(t: Test, config: string): Promise<string> {
    await this.box.write('/etc/polyns/namespace.conf', `${config}\n`)
    t.same(...wasRefused(await this.box.pamApp({ service: 'app', user: 'alice' })))
    return lastLogged(this.box)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.box.stop()
  }
}

const mountAt = (point: string, mounts: readonly string[]) =>
  mounts
    .map((line) => line.split(' ').slice(3).join(' '))
    .filter((line) => line.split(' ')[1] === point)
    .at(-1)

t.test('the method', { skip }, async (t) => {
  await using machine = await Machine.start()
  const { box } = machine

  await t.test('user binds the user’s instance', async (t) => {
    const r = await machine.open('/tmp /tmp/inst/ user:noinit root', 'touch /tmp/f')
    t.match(mountAt('/tmp', r.opened.mounts), /^\/tmp\/inst\/alice \/tmp rw,relatime shared:\d+ - overlay /)
    t.equal(await box.sh('ls /tmp/inst/alice'), 'f\n')
  })
  await t.test('user takes a prefix that is no directory', async (t) => {
    await machine.open('/tmp /tmp/inst/of- user:noinit root', 'touch /tmp/f')
    t.equal(await box.sh('ls /tmp/inst/of-alice'), 'f\n')
  })
  await t.test('tmpdir makes a directory for each session', async (t) => {
    const line = '/tmp /tmp/dirs/s- tmpdir:noinit root'
    const a = await machine.open(line, 'ls -A /tmp; stat -c "%a %U" /tmp; touch /tmp/f')
    const b = await machine.open(line, 'ls -A /tmp')
    t.same([a.out, b.out], ['1777 root\n', ''])
    const [first, second] = [a, b].map((r) => mountAt('/tmp', r.opened.mounts)?.split(' ')[0])
    t.match(first, /^\/tmp\/dirs\/s-[0-9a-f]{8}$/)
    t.match(second, /^\/tmp\/dirs\/s-[0-9a-f]{8}$/)
    t.not(first, second)
  })
  await t.test('tmpdir leaves no directory when the session is refused', async (t) => {
    await box.sh('rm -rf /tmp/dirs')
    const lines = '/tmp /tmp/dirs/ tmpdir:noinit root\n/nowhere /tmp/inst/ user:noinit root'
    t.match(await machine.refusal(t, lines), /'\/nowhere'.*ENOENT/)
    t.equal(await box.sh('ls -A /tmp/dirs'), '')
  })
  await t.test('tmpfs mounts a new one, with its options', async (t) => {
    const options = 'size=1M,mode=1770,gid=50,nosuid,nodev,noexec'
    const r = await machine.open(
      `/tmp tmpfs tmpfs:noinit:mntopts=${options} root`,
      'stat -c "%a %g" /tmp; df -k /tmp | tail -1',
    )
    t.match(
      mountAt('/tmp', r.opened.mounts),
      /^\/ \/tmp rw,nosuid,nodev,noexec,relatime shared:\d+ - tmpfs polyns rw,size=1024k,mode=1770,gid=50/,
    )
    t.match(r.out, /^1770 50\npolyns +1024 /)
  })
  await t.test('tmpfs is one for all sessions that live at the same time', async (t) => {
    const held = await box.pamHold({ service: 'app', user: 'alice' })
    await box.sh(`touch /proc/${held.pid}/root/tmp/f`)
    t.match(await box.pamApp({ service: 'app', user: 'alice', command: 'ls /tmp' }), {
      command: { stdout: /^f\n$/ },
    })
    await held.close()
    t.match(await box.pamApp({ service: 'app', user: 'alice', command: 'ls /tmp' }), {
      command: { stdout: /^$/ },
    })
  })
  await t.test('tmpfs with an option that the kernel refuses tells its words', async (t) => {
    const why = await machine.refusal(t, '/tmp tmpfs tmpfs:noinit:mntopts=huge=bogus root')
    t.match(why, /'\/tmp'|tmpfs/)
    t.match(why, /fsconfig\(.*'huge', 'bogus'\) = EINVAL .*the kernel says 'tmpfs: Bad value for \\'huge\\''/)
  })
})

t.test('the flag', { skip }, async (t) => {
  await using machine = await Machine.start()
  const { box } = machine

  await t.test('create makes the polydir, with its mode and owner', async (t) => {
    await box.sh('mkdir /srv/p')
    await machine.open('/srv/p/a /tmp/inst/a- user:noinit:create=0750,bob,staff root', 'true')
    await machine.open('/srv/p/b /tmp/inst/b- user:noinit:create root', 'true', { umask: 0o77 })
    t.equal(
      await box.sh('stat -c "%n %a %U:%G" /srv/p/* /tmp/inst/a-alice'),
      '/srv/p/a 750 bob:staff\n/srv/p/b 755 alice:alice\n/tmp/inst/a-alice 750 bob:staff\n',
    )
  })
  await t.test('create makes the last component only', async (t) => {
    t.match(
      await machine.refusal(t, '/srv/x/y /tmp/inst/ user:noinit:create root'),
      /make the polydir '\/srv\/x\/y': .*ENOENT/,
    )
    t.equal(await box.sh('ls /srv'), 'p\n')
  })
  await t.test('create never follows what a user put there', async (t) => {
    await box.sh('ln -s /srv/p /home/alice/link')
    t.match(
      await machine.refusal(t, '/home/alice/link/new /tmp/inst/ user:noinit:create root'),
      /is a symbolic link in a directory that a user can write to/,
    )
    t.equal(await box.sh('ls /srv/p'), 'a\nb\n')
  })
  for (const flag of ['nosuid', 'nodev', 'noexec']) {
    await t.test(`${flag} holds for the instance’s mount`, async (t) => {
      const r = await machine.open(
        `/tmp /tmp/inst/ user:noinit:${flag} root`,
        'cp /bin/true /tmp/t && /tmp/t',
      )
      t.match(mountAt('/tmp', r.opened.mounts), new RegExp(`^/tmp/inst/alice /tmp rw,${flag},relatime `))
      t.equal(r.command?.status, flag === 'noexec' ? 126 : 0)
    })
  }
  await t.test('scope=session gives each session its own instance', async (t) => {
    const line = '/tmp /tmp/inst/ user:noinit:scope=session root'
    const held = await machine.open(line, 'touch /tmp/f', { env: { XDG_SESSION_ID: 'c7' } })
    t.match(mountAt('/tmp', held.opened.mounts), /^\/tmp\/inst\/alice\.sessionc7 /)
    const second = await machine.open(line, 'ls /tmp', { env: { XDG_SESSION_ID: '8' } })
    t.match(mountAt('/tmp', second.opened.mounts), /^\/tmp\/inst\/alice\.session8 /)
    t.equal(second.out, '')
    const hostile = await machine.open(line, 'true', { env: { XDG_SESSION_ID: '../bob' } })
    t.match(mountAt('/tmp', hostile.opened.mounts), /^\/tmp\/inst\/alice\.session[ap]\w+ /)
  })
  await t.test('scope=job outside of a job is the user’s', async (t) => {
    const r = await machine.open('/tmp /tmp/inst/ user:noinit:scope=job root', 'true', {
      env: { SLURM_JOB_ID: '5' },
    })
    t.match(mountAt('/tmp', r.opened.mounts), /^\/tmp\/inst\/alice /)
  })
})

t.test('lines', { skip }, async (t) => {
  await using machine = await Machine.start()
  const { box } = machine

  await t.test('one after the other may have instances below each other’s polydirs', async (t) => {
    const r = await machine.open(
      '/tmp /tmp/i/ user:noinit root\n/var/tmp /tmp/i/v- user:noinit root',
      'touch /tmp/a /var/tmp/b',
    )
    t.equal(r.command?.status, 0)
    t.equal(await box.sh('ls /tmp/i/alice /tmp/i/v-alice'), '/tmp/i/alice:\na\n\n/tmp/i/v-alice:\nb\n')
  })
  await t.test(
    'two for one polydir are refused, but in pam_namespace’s own file the last one is seen',
    async (t) => {
      const both = '/tmp /tmp/i/1- user:noinit root\n/tmp /tmp/i/2- user:noinit root\n'
      t.match(await machine.refusal(t, both), '"/tmp" (line 1) is isolated already')
      await box.write('/etc/security/namespace.conf', both)
      await box.sh('rm /etc/polyns/namespace.conf')
      const r = await box.pamApp({ service: 'app', user: 'alice', command: 'touch /tmp/f' })
      t.equal(r.open, 0)
      t.equal(await box.sh('ls /tmp/i/1-alice /tmp/i/2-alice'), '/tmp/i/1-alice:\n\n/tmp/i/2-alice:\nf\n')
    },
  )
  await t.test('expand $USER and $HOME', async (t) => {
    await box.sh('install -d -o alice -m 700 /home/alice/tmp; install -d -m 755 /srv/alice')
    const r = await machine.open('$HOME/tmp /srv/$USER/i/ user:noinit root', 'touch /home/alice/tmp/f')
    t.match(r.opened.mounts, [])
    t.equal(await box.sh('ls /srv/alice/i/alice; stat -c "%a %U" /srv/alice/i/alice'), 'f\n700 alice\n')
  })
  for (const [list, sees] of [
    ['root', { alice: 'private', bob: 'private', carol: 'private', root: 'host' }],
    ['~alice', { alice: 'private', bob: 'host', carol: 'host', root: 'host' }],
    ['root,bob', { alice: 'private', bob: 'host', carol: 'private', root: 'host' }],
    ['@staff', { alice: 'private', bob: 'private', carol: 'host' }],
    ['~@staff', { alice: 'host', bob: 'host', carol: 'private' }],
    ['0:999,5002:5003', { alice: 'private', bob: 'host', carol: 'host', root: 'host' }],
    ['~:5001', { alice: 'private', bob: 'host', carol: 'host' }],
  ] as const) {
    await t.test(
      `for "${list}" concern whom they should, and all others are in the host’s namespace`,
      async (t) => {
        await box.write('/etc/polyns/namespace.conf', `/tmp /tmp/i/ user:noinit ${list}\n`)
        for (const [user, view] of Object.entries(sees)) {
          const r = await shellApp(box, { PAM_USER: user })
          t.equal(r.status, 0)
          t.equal(r.mntNs === box.host.mntNs ? 'host' : 'private', view, user)
        }
      },
    )
  }
  await t.test('that concern nobody make no namespace', async (t) => {
    await box.write('/etc/polyns/namespace.conf', '# nothing\n')
    t.same(await shellApp(box, ALICE), { status: 0, mntNs: box.host.mntNs })
  })
})
