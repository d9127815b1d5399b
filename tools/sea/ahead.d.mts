/** @returns V8's own place of each function, and one inside it that is in no other within it */
export function functionsIn(text: string): { name: string; start: number; end: number; inside: number }[]
