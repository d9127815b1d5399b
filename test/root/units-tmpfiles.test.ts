/* tmpfiles.d: the real systemd-tmpfiles spares the instances and what is in them, and goes on ageing all else. */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { doctor } from '../support/doctor.js'
import { installPolyns, POLYNS } from '../support/install.js'
import { needs } from '../support/needs.js'
import { Sandbox } from '../support/sandbox.js'

const skip = needs('root', 'layer', 'dist')
const source = readFileSync(new URL('../../config/tmpfiles/polyns.conf', import.meta.url), 'utf8')
// An age of nothing: all that is in there is old.
const AGED = ['/tmp', '/dev/shm', '/var/tmp'].map((top) => `q ${top} 1777 root root 0\n`).join('')

t.test('old files in private directories stay', { skip }, async (t) => {
  await using box = await Sandbox.start()
  await installPolyns(box)
  await box.sh(`${POLYNS} setup; mkdir -p /run/systemd/system /var/tmp/polyns-inst`)
  await box.write('/etc/tmpfiles.d/tmp.conf', AGED)
  const fill = `for d in /tmp /dev/shm /var/tmp; do
    install -d -m 1777 $d/polyns-inst/alice/sub; touch $d/polyns-inst/alice/sub/old $d/of-all; mkdir -p $d/dir; touch $d/dir/old; done`
  const left = async () =>
    (await box.sh('find /tmp /dev/shm /var/tmp -name "old" -o -name of-all')).trim().split('\n').sort()

  await box.sh(fill)
  await box.sh('systemd-tmpfiles --clean')
  t.same(await left(), [''], 'without it all go')
  t.match(
    (await doctor(box)).found.filter(({ id }) => id === 'tmpfiles'),
    [{ severity: 'warning' }, { severity: 'warning' }],
  )

  await box.write('/usr/lib/tmpfiles.d/polyns.conf', source)
  await box.sh(fill)
  t.match(
    await box.run('systemd-tmpfiles --clean'),
    { status: 0, stderr: '' },
    'it is read without a complaint',
  )
  t.same(
    await left(),
    ['/dev/shm', '/tmp', '/var/tmp'].map((top) => `${top}/polyns-inst/alice/sub/old`),
    'with it',
  )
  t.match(
    (await doctor(box)).found.filter(({ id }) => id === 'tmpfiles'),
    [{ severity: 'ok' }, { severity: 'ok' }],
  )
})
