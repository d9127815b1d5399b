/*
 * Removes a tree as the clean-up does. With `repeatMs` it makes and removes a small one again and again, for a test that
 * races with it.
 */
import { chownSync, existsSync, mkdirSync, readdirSync, renameSync, writeFileSync, writeSync } from 'node:fs'
import { type Removal, removeTree } from '../../../src/cleanup/remove.js'
import { O } from '../../../src/sys/flags.js'
import { openat2 } from '../../../src/sys/path.js'

export interface RemoveCall {
  parent: string
  name: string
  /** Milliseconds; without it a minute. */
  budgetMs?: number
  repeatMs?: number
}

export interface RemoveReport extends Removal {
  ms: number
  rounds: number
  /** Descriptors open afterwards that were not before. */
  leaked: number
}

const { parent, name, budgetMs = 60_000, repeatMs = 0 }: RemoveCall = JSON.parse(process.argv[2] ?? '{}')
const ALICE = 5001 // the rival
const openFds = () => readdirSync('/proc/self/fd').length
using at = openat2(null, parent, O.O_PATH | O.O_DIRECTORY, 0)

const before = openFds()
const start = Date.now()
let rounds = 0
let result: Removal
do {
  if (repeatMs > 0) plant()
  result = removeTree(at, name, { deadline: Date.now() + budgetMs })
  rounds++
} while (Date.now() - start < repeatMs)
const report: RemoveReport = { ...result, ms: Date.now() - start, rounds, leaked: openFds() - before }
writeSync(1, JSON.stringify(report))

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
