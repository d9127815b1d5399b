/*
 * Puts one record after the other, each whatever text it is, where those of the sessions are, and has the clean-up act on it.
 * Tells what became of the directories named `precious`, and how long the slowest took.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { sweepEnded } from '../../../src/cleanup/ended.js'
import { readRecords } from '../../../src/session/registry.js'
import { SyscallError, UnsafePathError, UnsupportedError } from '../../../src/sys/errors.js'

export interface RecordsCall {
  uid: number
  /** A file with a JSON array of texts. */
  texts: string
  precious: string[]
}

export interface RecordsReport {
  accepted: number
  refused: number
  /** What was gone, or thrown, after which text. */
  faults: { text: string; what: string }[]
  slowestMs: number
}

const SESSIONS = '/run/polyns/sessions'
const { uid, texts, precious }: RecordsCall = JSON.parse(process.argv[2] ?? '{}')
const report: RecordsReport = { accepted: 0, refused: 0, faults: [], slowestMs: 0 }
mkdirSync(SESSIONS, { recursive: true, mode: 0o700 })
mkdirSync('/run/polyns/lock', { recursive: true, mode: 0o700 })

for (const text of JSON.parse(readFileSync(texts, 'utf8')) as string[]) {
  const started = performance.now()
  writeFileSync(`${SESSIONS}/${uid}-999999-1.json`, Buffer.from(text, 'latin1'))
  try {
    if (readRecords(uid).length > 0) report.accepted++
    else report.refused++
    sweepEnded(uid, [], { patienceMs: 0, budgetMs: 1000, waitForLock: false })
  } catch (error) {
    const isOurs = [SyscallError, UnsafePathError, UnsupportedError].some((kind) => error instanceof kind)
    if (!isOurs) report.faults.push({ text, what: `${error instanceof Error ? error.stack : error}` })
  }
  for (const path of precious) if (!existsSync(path)) report.faults.push({ text, what: `${path} is gone` })
  report.slowestMs = Math.max(report.slowestMs, performance.now() - started)
  for (const name of readdirSync(SESSIONS)) rmSync(`${SESSIONS}/${name}`)
  if (report.faults.length > 5) break
}
writeSync(1, JSON.stringify(report))
