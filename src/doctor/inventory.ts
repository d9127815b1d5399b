/* What lies in the instance parents of this machine, for the checks; nothing where that cannot be looked at. */
import { type Inventory, takeInventory } from '../cleanup/instances.js'
import { staticParents } from '../propagation/places.js'
import { SyscallError, UnsafePathError } from '../sys/errors.js'
import type { Host } from './host.js'
import { remoteMount } from './networkfs.js'

const taken = new WeakMap<Host, Inventory | null>()

/** Taken once: each name in it is a question to the name service. @returns null: a parent is unsafe, which has a check of its own */
export function inventoryOf(host: Host): Inventory | null {
  const known = taken.get(host)
  if (known !== undefined) return known
  const inventory = takeStock(host)
  taken.set(host, inventory)
  return inventory
}

function takeStock(host: Host): Inventory | null {
  const rules = host.rules.filter((rule) =>
    staticParents([rule]).every((parent) => remoteMount(host.mounts, parent) === null),
  )
  try {
    return takeInventory(rules, host.names)
  } catch (error) {
    if (error instanceof UnsafePathError || error instanceof SyscallError) return null
    throw error
  }
}
