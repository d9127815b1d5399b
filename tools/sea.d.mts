/** For the tests, which are TypeScript. */
export const EXECUTABLE: string
export function makeExecutable(options: { arch: string; output: string; main?: string }): string
