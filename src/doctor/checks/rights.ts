/* The capabilities of whoever called doctor: a session is made with the same ones, and so is all that it reports. */
import { NEEDED_CAPABILITIES, probeCapabilities } from '../../sys/probe.js'
import { type Check, error, ok } from '../finding.js'

export const rights: Check = {
  id: 'rights',
  title: 'Root has the capabilities that polyns needs',
  status: 4,
  run() {
    const missing = probeCapabilities().filter((feature) => !feature.ok)
    if (missing.length === 0) return [ok(`all ${NEEDED_CAPABILITIES.length} capabilities`)]
    const why =
      'a session that is opened with these rights is refused; other findings may come from that alone'
    return missing.map(({ feature, detail }) => error(`this process lacks ${feature}: ${detail}`, why))
  },
}
