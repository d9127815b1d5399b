/* What only root may do says so before it looks at anything. */
import { UnsupportedError } from '../sys/errors.js'

/** @throws {UnsupportedError} not run by root; `attempt` is what was to be done, "listing the sessions" */
export function requireRoot(attempt: string): void {
  const uid = process.geteuid?.()
  if (uid !== 0) throw new UnsupportedError(attempt, `needs root, but runs as uid ${uid}`)
}
