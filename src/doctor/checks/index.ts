/* All checks, in the order in which they are told: first what every login needs, then what one of them may meet. */
import type { Check } from '../finding.js'
import { kernel } from './kernel.js'

export const CHECKS: readonly Check[] = [
  // The machine.
  kernel,
  // The services and their PAM stacks.
  // Mounts and instances.
  // SLURM.
  // What is left over.
]
