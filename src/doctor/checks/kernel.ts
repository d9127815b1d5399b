/* The kernel: its version, and each call that polyns is made of. */
import { release } from 'node:os'
import { probeCalls, requireKernel } from '../../sys/probe.js'
import { type Check, error, ok } from '../finding.js'

export const kernel: Check = {
  id: 'kernel',
  title: 'The kernel has what polyns needs',
  status: 4,
  run() {
    requireKernel()
    const missing = probeCalls().filter(({ ok }) => !ok)
    if (missing.length === 0) return [ok(`Linux ${release()}, with every call`)]
    return missing.map(({ feature, detail }) => error(`${feature}: ${detail}`, 'every login is refused'))
  },
}
