/* The boot step: whether it has run since the machine started. */
import { RUN_DIRECTORY } from '../../ns/rundir.js'
import { bootId } from '../../sys/clock.js'
import { type Check, ok, warning } from '../finding.js'
import { setupCommand } from '../places.js'

const FILE = `${RUN_DIRECTORY}/boot-id`

export const setupDone: Check = {
  id: 'setup-done',
  title: 'The boot step has run',
  status: 1,
  run(host) {
    const recorded = host.read(FILE)?.trim()
    if (recorded === bootId()) return [ok(`'polyns setup' has run since the boot`)]
    const saw = recorded === undefined ? `there is no ${FILE}` : `${FILE} is of another boot`
    const why =
      'until the boot step has run, a user can make the instance parent first, and all logins are refused; ' +
      'let it run at each boot, before the services'
    return [warning(saw, why, setupCommand(host))]
  },
}
