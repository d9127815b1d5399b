/* pam_exec starts its program with the real uid of the caller, unless it is told `seteuid`. */
import { type Check, error, type Finding, ok, warning } from '../finding.js'
import { callLines, placeOf } from '../pamcalls.js'
import { replaceIn } from '../pamedit.js'

/** Started by users, or run as a user of their own. */
const NOT_ROOT = /^(su|su-l|sudo|sudo-i|runuser|runuser-l|atd)$/

export const pamSeteuid: Check = {
  id: 'pam-seteuid',
  title: 'polyns is called as root',
  status: 1,
  run(host) {
    const lines = callLines(host)
    if (lines.length === 0) return []
    const findings = lines.flatMap(({ entry, options, services }): Finding[] => {
      if (options.includes('seteuid')) return []
      const saw = `${placeOf(entry)}: pam_exec.so without seteuid`
      const mend = replaceIn(entry, 'pam_exec\\.so', '& seteuid')
      const hit = services.filter((service) => NOT_ROOT.test(service))
      if (hit.length === 0) {
        const why =
          'polyns runs as whoever started the service: as root it works, by any other way it is refused'
        return [warning(saw, why, ...mend)]
      }
      const why = `${hit.join(', ')}: polyns runs as the user who calls, and the session is refused`
      return [error(saw, why, ...mend)]
    })
    return findings.length === 0 ? [ok(`seteuid in ${lines.length} lines`)] : findings
  },
}
