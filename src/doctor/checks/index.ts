/* All checks, in the order in which they are told: first what every login needs, then what one of them may meet. */
import type { Check } from '../finding.js'
import { config } from './config.js'
import { hiddenMounts } from './hidden-mounts.js'
import { hostNamespace } from './host-namespace.js'
import { instanceParents } from './instance-parents.js'
import { instanceSpace } from './instance-space.js'
import { kernel } from './kernel.js'
import { launcher } from './launcher.js'
import { leftovers } from './leftovers.js'
import { linger } from './linger.js'
import { locksHeld } from './locks-held.js'
import { locksOld } from './locks-old.js'
import { networkParent } from './network-parent.js'
import { nobodysInstances } from './nobodys-instances.js'
import { orphanNamespaces } from './orphan-namespaces.js'
import { pamControl } from './pam-control.js'
import { pamEnv } from './pam-env.js'
import { pamLine } from './pam-line.js'
import { pamNamespace } from './pam-namespace.js'
import { pamOrder } from './pam-order.js'
import { pamQuiet } from './pam-quiet.js'
import { pamSeteuid } from './pam-seteuid.js'
import { polydirFlags } from './polydir-flags.js'
import { propagationPolydir } from './propagation-polydir.js'
import { propagationRoot } from './propagation-root.js'
import { propagationTree } from './propagation-tree.js'
import { removeIpc } from './remove-ipc.js'
import { rights } from './rights.js'
import { rootExcluded } from './root-excluded.js'
import { runSpace } from './run-space.js'
import { selinux } from './selinux.js'
import { serviceNamespace } from './service-namespace.js'
import { serviceRights } from './service-rights.js'
import { settings } from './settings.js'
import { setupDone } from './setup-done.js'
import { slurmEpilog } from './slurm-epilog.js'
import { slurmPam } from './slurm-pam.js'
import { slurmPlugin } from './slurm-plugin.js'
import { slurmScope } from './slurm-scope.js'
import { slurmSpool } from './slurm-spool.js'
import { slurmXauthority } from './slurm-xauthority.js'
import { staleRecords } from './stale-records.js'
import { tmpCleaners } from './tmp-cleaners.js'
import { tmpfiles } from './tmpfiles.js'
import { yama } from './yama.js'

export const CHECKS: readonly Check[] = [
  // The machine.
  kernel,
  rights,
  hostNamespace,
  settings,
  yama,
  selinux,
  config,
  rootExcluded,
  launcher,
  // The services and their PAM stacks.
  serviceRights,
  serviceNamespace,
  pamLine,
  pamEnv,
  pamSeteuid,
  pamControl,
  pamQuiet,
  pamOrder,
  pamNamespace,
  // Mounts and instances.
  setupDone,
  instanceParents,
  networkParent,
  propagationRoot,
  propagationPolydir,
  propagationTree,
  polydirFlags,
  hiddenMounts,
  tmpfiles,
  tmpCleaners,
  removeIpc,
  linger,
  runSpace,
  instanceSpace,
  // SLURM.
  slurmPam,
  slurmPlugin,
  slurmSpool,
  slurmEpilog,
  slurmXauthority,
  slurmScope,
  // What is left over.
  locksHeld,
  orphanNamespaces,
  staleRecords,
  leftovers,
  nobodysInstances,
  locksOld,
]
