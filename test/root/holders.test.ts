/*
 * An instance stays as long as a namespace holds it, though nobody's process is in there any more; on each kind of place that
 * an instance parent can be at. Who only mounts something of that name holds nothing: F15 in attacks-failures.test.ts.
 */
import t from 'tap'
import { installPolyns, PAM_LINE, POLYNS } from '../support/install.js'
import { plainStack } from '../support/logins.js'
import { needs } from '../support/needs.js'
import { Sandbox } from '../support/sandbox.js'

const skip = needs('root', 'layer', 'dist')
const REAP = `${POLYNS} reap --idle 0 --json`

const PLACES: readonly [what: string, make: string, parent: string][] = [
  ['a directory', 'true', '/tmp/inst'],
  ['a file system of its own', 'mkdir /var/i; mount -t tmpfs own /var/i', '/var/i/inst'],
  ['the root of one', 'mkdir /var/i; mount -t tmpfs -o mode=000 own /var/i', '/var/i'],
  [
    'a directory that is bound to another place',
    'mkdir -p /srv/a/b/i /var/i; mount --bind /srv/a/b /var/i',
    '/var/i/i2',
  ],
  ['behind a link', 'mkdir -p /srv/a; ln -s /srv/a /var/i', '/var/i/inst'],
]

for (const [what, make, parent] of PLACES) {
  t.test(`the instance parent is ${what}`, { skip }, async (t) => {
    await using box = await Sandbox.start()
    await installPolyns(box, `/tmp ${parent}/ user:noinit root\n`)
    await box.pam('app', plainStack([PAM_LINE]))
    await box.sh(make)
    const app = await box.pamHold({ service: 'app', user: 'alice' })
    // Root's own, as somebody who has a look around in there.
    const guest = box.spawn([
      'nsenter',
      '-t',
      `${app.pid}`,
      '-m',
      '--',
      'sh',
      '-c',
      'echo in; exec sleep 999',
    ])
    await guest.waitFor(/^in$/m, 30_000)
    await app.close()
    const { pid: holder } = await box.pidOf(guest)
    t.match(JSON.parse(await box.sh(REAP)), {
      removed: [],
      kept: [
        { path: `${parent}/alice`, why: `alice 'alice' is mounted in the namespace of process ${holder}` },
      ],
    })
    await box.end(guest)
    t.match(JSON.parse(await box.sh(REAP)), { removed: [{ path: `${parent}/alice` }], kept: [] })
  })
}
