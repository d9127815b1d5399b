import { existsSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Names, Rule } from '../../../src/config/index.js'
import { parseConfig } from '../../../src/config/index.js'
import { findPolydir, findShared, staticParents, staticPolydirs } from '../../../src/propagation/places.js'
import { UnsafePathError } from '../../../src/sys/errors.js'

const names: Names = { userByName: () => null, groupByName: () => null }

function rules(text: string): Rule[] {
  return parseConfig([{ file: 'namespace.conf', text }], { mode: 'compat', names }).rules
}

t.test('only what is the same for every user is set up at boot', (t) => {
  const all = rules(`\
/tmp /tmp/inst/ user
$HOME /homes/ user
/scratch/$USER /scratch/inst/ user
/var/tmp /var/inst/$USER/ user
/srv /srv-inst/of-$USER- user
/dev/shm tmpfs tmpfs
/tmp /tmp/inst/ level
/a /b/c/x- tmpdir
/d /top- user
/ /i/ user
`)
  t.strictSame(staticPolydirs(all), ['/tmp', '/var/tmp', '/srv', '/dev/shm', '/a', '/d'])
  t.strictSame(staticParents(all), ['/tmp/inst', '/homes', '/scratch/inst', '/srv-inst', '/b/c'])
  t.end()
})

t.test('looking at directories', (t) => {
  const directory = t.testdir({ dir: {}, file: 'text' })
  symlinkSync('dir', join(directory, 'link'))
  t.match(findPolydir(join(directory, 'dir')), { real: join(directory, 'dir'), note: '' })
  t.match(findPolydir(join(directory, 'missing')), { real: null, note: /the flag create makes it/ })
  t.throws(() => findPolydir(join(directory, 'link')), UnsafePathError)
  t.throws(() => findPolydir(join(directory, 'link')), /is a symbolic link/)
  t.throws(() => findPolydir(join(directory, 'file')), /is not a directory but a file/)
  t.throws(() => findShared(join(directory, 'missing')), { code: 'ENOENT' })
  t.notOk(existsSync(join(directory, 'missing')))
  t.end()
})
