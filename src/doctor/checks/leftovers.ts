/* Directories that were set aside and not yet deleted, because the time was over or the machine went down. */
import { command } from '../../propagation/step.js'
import { type Check, note, ok } from '../finding.js'
import { inventoryOf } from '../inventory.js'
import { some } from '../some.js'
import { SWEEP } from './stale-records.js'

export const leftovers: Check = {
  id: 'leftovers',
  title: 'What was taken away is deleted',
  status: 1,
  run(host) {
    const inventory = inventoryOf(host)
    if (inventory === null) return []
    if (inventory.leftovers.length === 0) return [ok('nothing waits for its deletion')]
    const paths = inventory.leftovers.map(({ parent, name }) => command(`${parent}/${name}`))
    const why = 'they take space; a reap or an epilog that is at work on them may be the reason'
    return [note(`set aside and not yet deleted: ${some(paths)}`, why, SWEEP)]
  },
}
