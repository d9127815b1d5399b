/** For the test, which is TypeScript. */
export function toMarkdown(what: { results: readonly object[]; machine: string[][]; paper: string[] }): string
