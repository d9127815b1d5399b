/* Where a command writes: the terminal or a test. */

export interface Io {
  out(text: string): void
  err(text: string): void
  /** Whether stdout is a terminal that may be given colour. */
  color: boolean
}
