/** What man.mjs writes, for TypeScript: path below the checkout, and text. */
export function manualPages(): Map<string, string>
