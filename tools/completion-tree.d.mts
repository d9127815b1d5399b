/** What completion-tree.mjs reads, for TypeScript. */
export interface Option {
  long: string
  short?: string
  value?: string
  help: string
  isRepeated: boolean
}
export interface Command {
  name: string
  help: string
  arguments: { name: string; isMany: boolean }[]
  options: Option[]
}
export function readTree(): Promise<{ options: Option[]; commands: Command[] }>
