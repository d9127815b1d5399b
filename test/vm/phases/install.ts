/* The package, and `polyns install` on a machine that has just booted. */
import type { Test } from 'tap'
import { difference, type Listing, listing } from '../listing.js'
import { inOrder, type Scene } from './phase.js'

/** Ends the session part, with success, before anything else is reached. */
const STRANGE = 'session [success=done default=ignore] pam_permit.so\n'

export async function installs(t: Test, scene: Scene, before: Listing): Promise<void> {
  const { vm, deb } = scene
  await vm.copyIn(deb, '/root/polyns.deb')
  const installed = await vm.time('dpkg -i', () =>
    vm.root('dpkg -i /root/polyns.deb', { timeoutMs: 300_000 }),
  )
  t.match(installed, { status: 0 }, `dpkg -i ${installed.stderr}`)
  const packaged = await listing(vm)
  t.strictSame(
    difference(before, packaged),
    [],
    'the package alone changes nothing in /etc and /run, and mounts nothing',
  )

  await t.test('a stack that somebody has made his own is refused, and stays as it is', async (t) => {
    const stack = '/etc/pam.d/sshd'
    const original = await vm.sh(`cat ${stack}`)
    await vm.write(stack, `${STRANGE}${original}`)
    const [kept] = (await vm.sh(`sha256sum ${stack}`)).split(' ')
    const refused = await vm.time('install, refused', () => vm.root('polyns install', { timeoutMs: 300_000 }))
    vm.keep('install-refused.txt', refused.stdout + refused.stderr)
    t.not(refused.status, 0)
    t.match(refused.stderr + refused.stdout, /\/etc\/pam\.d\/sshd/, 'the reason names the file')
    t.equal((await vm.sh(`sha256sum ${stack}`)).split(' ')[0], kept, 'that stack is unchanged')
    await vm.write(stack, original)
    t.strictSame(difference(before, await listing(vm)), [], 'and nothing else was done')
  })

  await t.test('a dry run changes nothing', async (t) => {
    const dry = await vm.time('install --dry-run', () =>
      vm.root('polyns install --dry-run', { timeoutMs: 300_000 }),
    )
    vm.keep('install-dry-run.txt', dry.stdout + dry.stderr)
    t.match(
      dry,
      { status: 0, stdout: /^\+session required pam_exec\.so/m },
      `a diff of each stack ${dry.stderr}`,
    )
    t.strictSame(difference(packaged, await listing(vm)), [])
  })

  const done = await vm.time('install', () => vm.root('polyns install', { timeoutMs: 600_000 }))
  vm.keep('install.txt', done.stdout + done.stderr)
  t.match(done, { status: 0 }, `polyns install ${done.stderr}`)
  await inOrder(t, scene, 'after the install')
  const login = await vm.time('the first login', () => vm.as('alice', 'touch /tmp/early && ls -A /tmp'))
  t.match(login, { status: 0, stdout: 'early\n' }, `alice has a /tmp of her own at once ${login.stderr}`)
  const again = await vm.root('polyns install', { timeoutMs: 600_000 })
  t.match(
    again,
    { status: 0, stdout: /^nothing to do/m },
    `a second install has nothing to do ${again.stderr}`,
  )
}
