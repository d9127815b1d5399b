/* Without `quiet` pam_exec tells the user when its program fails. */
import { type Check, note, ok } from '../finding.js'
import { callLines, placeOf } from '../pamcalls.js'
import { replaceIn } from '../pamedit.js'

export const pamQuiet: Check = {
  id: 'pam-quiet',
  title: 'A refused login says nothing of polyns to the user',
  status: 1,
  run(host) {
    const lines = callLines(host)
    const loud = lines.filter(({ options }) => !options.includes('quiet'))
    if (loud.length === 0) return lines.length === 0 ? [] : [ok(`quiet in ${lines.length} lines`)]
    return loud.map(({ entry }) => {
      const why =
        "the user is told 'polyns failed: exit code N', which helps nobody; the system log has the reason"
      return note(
        `${placeOf(entry)}: pam_exec.so without quiet`,
        why,
        ...replaceIn(entry, 'pam_exec\\.so', '& quiet'),
      )
    })
  },
}
