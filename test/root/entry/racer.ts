/* Exchanges a name with decoys as fast as it can, for so many milliseconds. */
import { O, RENAME } from '../../../src/sys/flags.js'
import { openat2, renameat2 } from '../../../src/sys/path.js'

const { dir, name, ms }: { dir: string; name: string; ms: number } = JSON.parse(process.argv[2] ?? '{}')
using at = openat2(null, dir, O.O_PATH | O.O_DIRECTORY, 0)
for (const until = Date.now() + ms; Date.now() < until; ) {
  for (let i = 0; i < 8; i++) {
    for (const flags of [RENAME.RENAME_EXCHANGE, RENAME.RENAME_NOREPLACE]) {
      try {
        renameat2(at, `decoy${i}`, at, name, flags)
        break
      } catch {
        // It is being moved, or not ours to touch.
      }
    }
  }
}
