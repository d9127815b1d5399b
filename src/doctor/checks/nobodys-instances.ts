/* Entries of the instance parents whose owner cannot be told: polyns never touches them. */
import { type Check, type Finding, note } from '../finding.js'
import { inventoryOf } from '../inventory.js'
import { some } from '../some.js'

export const nobodysInstances: Check = {
  id: 'nobodys-instances',
  title: 'Each instance has an owner',
  status: 1,
  run(host) {
    const unknown = inventoryOf(host)?.unknown ?? []
    const ownerless = unknown.filter(({ why }) => why.startsWith('no user is called'))
    const odd = unknown.filter(({ why }) => why.startsWith('it is a '))
    return [
      ...tell(
        ownerless,
        'has no user',
        'the user is gone, or the name service does not answer: look what is in it first',
      ),
      ...tell(odd, 'is no directory', 'logins of that name are refused: look who made it'),
    ]
  },
}

function tell(found: readonly { path: string }[], what: string, why: string): Finding[] {
  if (found.length === 0) return []
  return [
    note(
      `${some(found.map(({ path }) => path))} ${what}`,
      `neither reap nor the epilog takes it away; ${why}`,
    ),
  ]
}
