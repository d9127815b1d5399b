/** For the test, which is TypeScript. */
export function quantile(values: readonly number[], p: number): number
export function median(values: readonly number[]): number
export function pairs(values: readonly number[], base: readonly number[]): number[]
export function growth(points: readonly [number, number][]): {
  ofFirst: number
  each: number
  exponent: number | null
}
