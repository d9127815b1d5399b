/* Whether a program needs a loader, seen on real ones and on files that are none. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startedBy, startsAlone } from '../../../src/doctor/elf.js'
import { ARCHES, launcher } from '../../../tools/launcher.mjs'

t.test('what starts alone', (t) => {
  const dir = t.testdir({ script: '#!/bin/sh\n', empty: '', 'a directory': {} })
  for (const arch of ARCHES) {
    const code = launcher(arch)
    writeFileSync(join(dir, arch), code)
    t.equal(startsAlone(join(dir, arch)), true, `the launcher for ${arch}`)
    for (const length of [6, 63, 64, 175]) {
      writeFileSync(join(dir, 'part'), code.subarray(0, length))
      t.equal(startsAlone(join(dir, 'part')), false, `${length} bytes of it`)
    }
  }
  for (const path of [
    '/bin/sh',
    join(dir, 'script'),
    join(dir, 'empty'),
    join(dir, 'none'),
    join(dir, 'a directory'),
  ])
    t.equal(startsAlone(path), false, path)
  t.end()
})

t.test('what pam_exec starts', (t) => {
  const program = '/usr/sbin/polyns'
  t.equal(startedBy({ program, options: ['quiet', 'log=/var/log/x'] }), program)
  t.equal(startedBy({ program, options: ['quiet', '/usr/bin/nice', '-n', '5'] }), '/usr/bin/nice')
  t.end()
})
