/*
 * The directories that hold the instances: root:root, mode 000, no ACL, so that no user gets to another's instance, nor
 * puts something in place of one. Made or repaired through a descriptor, and only where root alone decides about names.
 */
import { parentFaults } from '../ns/instance.js'
import { openSafeParent } from '../ns/safepath.js'
import { during } from '../sys/call.js'
import { UnsafePathError } from '../sys/errors.js'
import type { Fd } from '../sys/fd.js'
import { AT, O, RESOLVE } from '../sys/flags.js'
import { fchmod, fchown, mkdirat, openat2, removexattr, unlinkat } from '../sys/path.js'
import type { UndoStack } from '../sys/undo.js'
import { aclsOf, type Fault, faultsOf, type ParentPlace, requireTrusted } from './places.js'
import { command } from './step.js'

/** The shell lines that do the same, in their order. */
export function parentCommands({ path, isMissing, faults }: ParentPlace): string[] {
  if (isMissing) return [command('mkdir', '-m', '000', path)]
  // The mode first: with an ACL it is also the most that the ACL can give.
  const lines: Record<Fault, string> = {
    mode: command('chmod', '000', path),
    acl: command('setfacl', '-b', path),
    group: command('chgrp', 'root', path),
  }
  return faults.map((fault) => lines[fault])
}

/**
 * Makes the parent, or repairs it. A repair is not taken back by `undo`: no state before it was better.
 * @throws {UnsafePathError} a user owns it, or it does not become as it must be
 * @throws {SyscallError} EROFS, ENOSPC, EPERM: it is immutable
 */
export function ensureParent({ path, isMissing }: ParentPlace, undo: UndoStack): void {
  during(`make the instance parent '${path}'`, () => {
    const { dir, name } = openSafeParent(path)
    using above = dir
    requireTrusted(above)
    if (isMissing) {
      mkdirat(above, name, 0)
      undo.push(`remove '${path}'`, () => removeEmpty(path))
    }
    using parent = openat2(above, name, O.O_DIRECTORY | O.O_NOFOLLOW, RESOLVE.RESOLVE_NO_SYMLINKS)
    repair(parent)
  })
}

/** Also after mkdir: a set-group-id directory gives its group on, and a default ACL itself. */
function repair(parent: Fd): void {
  if (faultsOf(parent).length === 0) return
  fchmod(parent, 0)
  for (const acl of aclsOf(parent)) removexattr(parent, acl)
  fchown(parent, 0, 0)
  const faults = parentFaults(parent)
  if (faults.length > 0) throw new UnsafePathError(parent.label, `cannot be repaired: ${faults.join(', ')}`)
}

function removeEmpty(path: string): void {
  const { dir, name } = openSafeParent(path)
  using above = dir
  unlinkat(above, name, AT.AT_REMOVEDIR)
}
