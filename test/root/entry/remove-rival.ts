/*
 * Fights the removal of a tree until it is ended: adds files, or exchanges its directories with symbolic links to a
 * directory elsewhere.
 */
import { symlinkSync, writeFileSync } from 'node:fs'
import { RENAME } from '../../../src/sys/flags.js'
import { renameat2 } from '../../../src/sys/path.js'

export interface Rival {
  tree: string
  how: 'add' | 'swap'
  /** What the links point to. */
  elsewhere: string
}

const { tree, how, elsewhere }: Rival = JSON.parse(process.argv[2] ?? '{}')
process.stdout.write('ready\n')
for (let i = 0; ; i++) attempt(() => (how === 'add' ? writeFileSync(`${tree}/a/${i}`, '') : swap(i)))

function swap(i: number): void {
  const dir = `${tree}/${['a', 'b', 'c', 'a/sub', 'b/sub', 'a/sub/deeper'][i % 6]}`
  const link = `${tree}/link`
  attempt(() => symlinkSync(elsewhere, link))
  renameat2(null, dir, null, link, RENAME.RENAME_EXCHANGE)
}

function attempt(fn: () => void): void {
  try {
    fn()
  } catch {
    // It is being removed: again.
  }
}
