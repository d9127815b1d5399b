/* The directories that hold the instances: there, root's alone, and where no user can put another in their place. */

import { parentCommands } from '../../propagation/parents.js'
import { findParent, findPolydir } from '../../propagation/places.js'
import { command } from '../../propagation/step.js'
import { SyscallError, UnsafePathError } from '../../sys/errors.js'
import { type Check, error, type Finding, ok, warning } from '../finding.js'
import type { Host } from '../host.js'
import { localOnly, parentsOf, polydirsOf, setupCommand } from '../places.js'

const REFUSED = 'every login that it concerns is refused'

export const instanceParents: Check = {
  id: 'instance-parents',
  title: 'The instance parents are safe',
  status: 5,
  run(host) {
    const missing = localOnly(host, polydirsOf(host)).filter(isMissing)
    return localOnly(host, parentsOf(host)).map((path) => judge(host, path, missing))
  },
}

function isMissing(polydir: string): boolean {
  try {
    return findPolydir(polydir).real === null
  } catch {
    return false // something else than a directory: the login says so
  }
}

function judge(host: Host, path: string, missing: readonly string[]): Finding {
  try {
    const place = findParent(path, missing)
    if (place.real === null) return ok(`${path}: ${place.note}`)
    if (place.isMissing) {
      const why =
        'a user who makes it first has every login refused; setup makes it, and so does the first login'
      return warning(`${path} is not there`, why, setupCommand(host))
    }
    if (place.faults.length === 0) return ok(`${path} is root's alone`)
    const saw = `${path} has the wrong ${place.faults.join(', ')}; setup does: ${parentCommands(place).join('; ')}`
    return error(saw, `${REFUSED}, since others than root may get at the instances`, setupCommand(host))
  } catch (cause) {
    if (cause instanceof UnsafePathError) return tellUnsafe(host, path, cause)
    if (cause instanceof SyscallError && cause.code === 'ENOENT') return tellDeeplyMissing(host, path)
    throw cause
  }
}

/** Its own path: somebody made it. Another: who may write above it can exchange it, which no command here mends. */
function tellUnsafe(host: Host, path: string, cause: UnsafePathError): Finding {
  const saw = `${cause.component}: ${cause.why}`
  if (cause.component !== path) {
    return error(saw, `${REFUSED}; name a place that only root can change, such as /var/lib/polyns/inst/`)
  }
  const why = `${REFUSED}; look first who made it and what is in it`
  return error(saw, why, command('mv', '-nT', path, `${path}.aside`), setupCommand(host))
}

function tellDeeplyMissing(host: Host, path: string): Finding {
  const above = path.slice(0, path.lastIndexOf('/'))
  const why = `${REFUSED}: only the last directory of the path is made`
  return error(
    `${above}, which is to hold ${path}, is not there`,
    why,
    command('install', '-d', '-m', '755', above),
    setupCommand(host),
  )
}
