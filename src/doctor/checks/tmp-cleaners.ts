/* tmpreaper and tmpwatch: cron scripts that delete what is old below /tmp, in the instances too. */

import { isAtOrBelow } from '../../mountinfo/table.js'
import { type Check, type Finding, ok, warning } from '../finding.js'
import type { Host } from '../host.js'
import { parentsOf } from '../places.js'

interface Cleaner {
  name: string
  script: string
  /** Where a site says what to spare. */
  settings: string
  /** What is deleted when the settings say nothing else. */
  reach: readonly string[]
}

const CLEANERS: readonly Cleaner[] = [
  {
    name: 'tmpreaper',
    script: '/etc/cron.daily/tmpreaper',
    settings: '/etc/tmpreaper.conf',
    reach: ['/tmp'],
  },
  {
    name: 'tmpwatch',
    script: '/etc/cron.daily/tmpwatch',
    settings: '/etc/cron.daily/tmpwatch',
    reach: ['/tmp', '/var/tmp'],
  },
]

export const tmpCleaners: Check = {
  id: 'tmp-cleaners',
  title: "No cron script deletes users' old files",
  status: 1,
  run(host) {
    return CLEANERS.flatMap((cleaner) =>
      host.read(cleaner.script) === null
        ? []
        : parentsOf(host)
            .filter((parent) => cleaner.reach.some((top) => isAtOrBelow(parent, top)))
            .map((parent) => judge(host, cleaner, parent)),
    )
  },
}

/** What is spared is told by its path alone: the scripts are anybody's shell text. */
function judge(host: Host, { name, script, settings }: Cleaner, parent: string): Finding {
  const lines = (host.read(settings) ?? '').split('\n').filter((line) => !/^\s*#/.test(line))
  // Debian's tmpreaper does nothing until a site has taken this line out.
  if (lines.some((line) => /^\s*SHOWWARNING=['"]?true/i.test(line))) return ok(`${settings}: ${name} is off`)
  if (lines.some((line) => line.includes(parent))) return ok(`${settings} names ${parent}`)
  const why =
    `${name} deletes old files from private directories too, those of running jobs among them; ` +
    `have ${settings} spare ${parent} and all below it`
  return warning(`${script} reaches into ${parent}`, why)
}
