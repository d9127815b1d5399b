/* Steps to take back when the work they belong to fails half way. */

/**
 * Runs its labelled steps in reverse order when disposed, each one even if another throws; {@link commit} keeps the work.
 *
 * @example
 * using undo = new UndoStack()
 * mkdirat(parent, name, 0o700)
 * undo.push(`remove ${name}`, () => unlinkat(parent, name, AT.AT_REMOVEDIR))
 * undo.commit()
 */
export class UndoStack {
  #steps: { label: string; step: () => void }[] = []

  push(label: string, step: () => void): void {
    this.#steps.push({ label, step })
  }

  /** Keeps what was done: forgets all steps. */
  commit(): void {
    this.#steps = []
  }

  /** @throws {AggregateError} naming each step that could not be taken back. */
  [Symbol.dispose](): void {
    const failed: Error[] = []
    for (const { label, step } of this.#steps.reverse()) {
      try {
        step()
      } catch (cause) {
        failed.push(new Error(`could not undo: ${label}`, { cause }))
      }
    }
    this.#steps = []
    if (failed.length > 0) throw new AggregateError(failed, failed.map((e) => e.message).join('; '))
  }
}
