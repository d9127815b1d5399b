/** For the test, which is TypeScript. */
export const ARCHES: readonly string[]
export function readListing(arch: string): { source: string[]; code: Buffer; misplaced: number | undefined }
export function launcher(arch: string): Buffer
