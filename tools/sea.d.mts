/** For the tests, which are TypeScript. */
export const EXECUTABLE: string
export function makeExecutable(options: {
  arch: string
  output: string
  main?: string
  sessionFlags?: string[]
}): string
/** @param name `open` or `close` @returns the text of that program */
export function sessionsProgram(name: string): Promise<string>
