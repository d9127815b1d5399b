/** For the test, which is TypeScript. */
interface Drawing {
  title: string
  unit: string
}
export function figure(value: number): string
export function drawBars(bars: Drawing & { times: Record<string, number[]> }): string
export function drawLines(
  lines: Drawing & { x: string; points: Record<string, [number, number[]][]> },
): string
