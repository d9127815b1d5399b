/* What `polyns doctor` finds in a sandbox, and whether the command that it names mends it. */
import type { Test } from 'tap'
import { POLYNS } from './install.js'
import type { Command, Sandbox } from './sandbox.js'

export interface Found {
  id: string
  severity: 'ok' | 'note' | 'warning' | 'error'
  saw: string
  why: string
  mend: string[]
}

/** All findings, those that are in order too, and the exit status. */
export async function doctor(box: Sandbox): Promise<{ status: number | null; found: Found[] }> {
  const { status, stdout, stderr } = await box.run([POLYNS, 'doctor', '--json'], { timeoutMs: 120_000 })
  if (stdout === '') throw new Error(`doctor says nothing, status ${status}: ${stderr}`)
  const { checks } = JSON.parse(stdout) as { checks: { id: string; findings: Omit<Found, 'id'>[] }[] }
  const found = checks.flatMap(({ id, findings }) => findings.map((finding) => ({ id, ...finding })))
  return { status, found }
}

/** What is not in order by one check. */
export async function findingsOf(box: Sandbox, id: string): Promise<Found[]> {
  return (await doctor(box)).found.filter((found) => found.id === id && found.severity !== 'ok')
}

export interface Mending {
  id: string
  severity: Exclude<Found['severity'], 'ok'>
  /** What makes the finding true. */
  break: Command
  saw?: RegExp
  /** What a person would do, where no command can be right for all. */
  by?: string
}

/** Breaks something, sees it reported, runs the command that is told, and sees it gone. @returns the finding */
export async function mends(
  t: Test,
  box: Sandbox,
  { id, severity, saw = /./, by, ...how }: Mending,
): Promise<Found | undefined> {
  const about = async () => (await findingsOf(box, id)).filter((found) => saw.test(found.saw))
  t.strictSame(await about(), [], `${id}: in order before`)
  await box.sh(how.break)
  const all = await findingsOf(box, id)
  const found = all.find((one) => saw.test(one.saw))
  t.match(found ?? all, { id, severity, why: /./ }, `${id}: reported`)
  const mend = found?.mend.join('\n') ?? ''
  t.equal(mend === '', by !== undefined, `${id}: ${mend || 'no command'}`)
  t.match(await box.run(['sh', '-ec', by ?? mend]), { status: 0 }, `${id}: the command succeeds`)
  t.strictSame(await about(), [], `${id}: gone`)
  return found
}
