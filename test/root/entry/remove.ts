/*
 * Removes a tree as the clean-up does. With `repeatMs` it makes and removes a small one again and again, for a test that
 * races with it. With `assistant` the second thread empties it alone.
 */
import { chownSync, existsSync, mkdirSync, readdirSync, renameSync, writeFileSync, writeSync } from 'node:fs'
import { startAssistant } from '../../../src/cleanup/assistant.js'
import { type Removal, removeTree } from '../../../src/cleanup/remove.js'
import { monotonicMs } from '../../../src/sys/clock.js'
import { O } from '../../../src/sys/flags.js'
import { openat2 } from '../../../src/sys/path.js'
import { sleepMs, waitFor } from '../../../src/sys/sleep.js'

export interface RemoveCall {
  parent: string
  name: string
  /** Milliseconds; without it a minute. */
  budgetMs?: number
  repeatMs?: number
  assistant?: boolean
}

export interface RemoveReport extends Removal {
  ms: number
  rounds: number
  /** Descriptors open afterwards that were not before. */
  leaked: number
}

const {
  parent,
  name,
  budgetMs = 60_000,
  repeatMs = 0,
  assistant = false,
}: RemoveCall = JSON.parse(process.argv[2] ?? '{}')
const ALICE = 5001 // the rival
const openFds = () => readdirSync('/proc/self/fd').length
using at = openat2(null, parent, O.O_PATH | O.O_DIRECTORY, 0)

const before = openFds()
const start = Date.now()
let rounds = 0
let result: Removal
do {
  if (repeatMs > 0) plant()
  const deadline = monotonicMs() + budgetMs
  result = assistant ? assist(deadline) : removeTree(at, name, { deadline })
  rounds++
} while (Date.now() - start < repeatMs)
const ms = Date.now() - start
// The second thread of a large removal takes a moment to close its own.
for (let i = 0; i < 100 && openFds() > before; i++) sleepMs(20)
const report: RemoveReport = { ...result, ms, rounds, leaked: openFds() - before }
writeSync(1, JSON.stringify(report))

function assist(deadline: number): Removal {
  using top = openat2(at, name, O.O_DIRECTORY, 0)
  const second = startAssistant(top, deadline)
  const complete = waitFor(budgetMs, 20, () => readdirSync(top.procPath).length === 0)
  return { removed: second?.stop() ?? 0, left: [], complete }
}

/** All made before it is in its place: through a link that the rival puts there we would write elsewhere. */
function plant(): void {
  const tree = `${parent}/${name}`
  const fresh = `${parent}/fresh`
  if (existsSync(tree)) return
  for (const dir of ['a', 'b', 'c']) {
    mkdirSync(`${fresh}/${dir}/sub/deeper`, { recursive: true })
    for (const below of ['', dir, `${dir}/sub`, `${dir}/sub/deeper`])
      chownSync(`${fresh}/${below}`, ALICE, ALICE)
    for (let i = 0; i < 20; i++) writeFileSync(`${fresh}/${dir}/sub/${i}`, '')
  }
  renameSync(fresh, tree)
}
