/** For the tests, which are TypeScript. */
export const ARCHES: readonly string[]
export function fetchNode(arch: string): { version: string; directory: string }
export function fetchKoffi(arch: string): { version: string; path: string }
