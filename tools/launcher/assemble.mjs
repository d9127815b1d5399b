// node tools/launcher/assemble.mjs LISTING...: after a change of the source in LISTING.lst, makes its offsets and bytes anew.
// Needs Debian's binutils-x86-64-linux-gnu or binutils-aarch64-linux-gnu. Nobody who builds polyns needs this.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LISTINGS, readListing } from '../launcher.mjs'

const PREFIX = { x64: 'x86_64-linux-gnu-', arm64: 'aarch64-linux-gnu-' }
const BYTES_A_ROW = 8
const SOURCE_COLUMN = 32
const COMMENT_COLUMN = 34

for (const listing of process.argv.slice(2)) {
  if (!LISTINGS.includes(listing)) throw new Error(`usage: assemble.mjs ${LISTINGS.join(' | ')}`)
  const { source } = readListing(listing)
  const { offsets, code } = assemble(source, PREFIX[listing.replace('entry-', '')])
  writeFileSync(new URL(`${listing}.lst`, import.meta.url), format(source, offsets, code))
}

/** @returns the code, and for each line of source where its bytes begin, if it has any */
function assemble(source, prefix) {
  const dir = mkdtempSync(join(tmpdir(), 'polyns-launcher-'))
  const run = (tool, ...args) => {
    const { status, stdout, stderr, error } = spawnSync(prefix + tool, args, {
      cwd: dir,
      input: `${source.join('\n')}\n`,
      encoding: 'utf8',
    })
    if (status !== 0) throw error ?? new Error(stderr)
    return stdout
  }
  try {
    const rows = run('as', '-aln', '--listing-cont-lines=99', '-o', 'launcher.o').split('\n')
    const offsets = new Map()
    for (const row of rows) {
      const [, line, offset] = /^ *(\d+) ([0-9a-f]{4}) [0-9A-F]/.exec(row) ?? []
      if (offset !== undefined) offsets.set(Number(line) - 1, parseInt(offset, 16))
    }
    run('objcopy', '-O', 'binary', '-j', '.text', 'launcher.o', 'launcher.bin')
    return { offsets, code: readFileSync(join(dir, 'launcher.bin')) }
  } finally {
    rmSync(dir, { recursive: true })
  }
}

function format(source, offsets, code) {
  const ends = [...offsets.values(), code.length]
  const rows = source.flatMap((text, line) => {
    const begin = offsets.get(line)
    if (begin === undefined) return [text]
    const end = ends.find((other) => other > begin)
    const [, words = '', comment = ''] =
      /^(.*?)(?:\s+((?:#|\/\/) .*))?$/.exec(text.trim().replaceAll('\t', ' ')) ?? []
    const shown = comment === '' ? words : `${words.padEnd(COMMENT_COLUMN)} ${comment}`
    const row = (from, shown) => {
      const bytes = [...code.subarray(from, Math.min(end, from + BYTES_A_ROW))]
      const hex = bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(' ')
      return `${from.toString(16).padStart(4, '0')}  ${hex} `.padEnd(SOURCE_COLUMN) + shown
    }
    const more = Array.from({ length: Math.ceil((end - begin) / BYTES_A_ROW) - 1 }, (_, i) =>
      row(begin + (i + 1) * BYTES_A_ROW, '').trimEnd(),
    )
    return [row(begin, shown), ...more]
  })
  return `${rows.join('\n')}\n`
}
