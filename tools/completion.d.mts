/** What completion.mjs writes, for TypeScript: path below the checkout, and text. */
export function completions(): Promise<Map<string, string>>
