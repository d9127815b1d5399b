/** For the test, which is TypeScript. */
export const ARCHES: readonly string[]
export const LISTINGS: readonly string[]
export function readListing(name: string): { source: string[]; code: Buffer; misplaced: number | undefined }
export function launcher(arch: string): Buffer
