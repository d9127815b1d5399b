/* The diff that --dry-run shows, held against diff(1) where there is one. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { unifiedDiff } from '../../../src/install/diff.js'

const numbered = (count: number) => Array.from({ length: count }, (_, i) => `line ${i + 1}`)
const text = (lines: readonly string[]) => lines.map((line) => `${line}\n`).join('')

t.test('as diff -u has it', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'polyns-diff-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const old = numbered(12)
  const cases: [string, string[], string[]][] = [
    ['a line in the middle', old, [...old.slice(0, 5), 'new', ...old.slice(5)]],
    ['a line at the beginning', old, ['new', ...old]],
    ['a line at the end', old, [...old, 'new']],
    ['a line taken out', old, [...old.slice(0, 5), ...old.slice(6)]],
    ['a line in a short file', old.slice(0, 1), [...old.slice(0, 1), 'new']],
    ['all of a file', [], old],
  ]
  for (const [name, before, after] of cases) {
    const [a, b] = [join(directory, 'a'), join(directory, 'b')]
    writeFileSync(a, text(before))
    writeFileSync(b, text(after))
    const { stdout, error } = spawnSync('diff', ['-u', a, b], { encoding: 'utf8' })
    if (error !== undefined) return t.end()
    const hunk = (all: string) =>
      all
        .split('\n')
        .slice(2)
        .join('\n')
        .replaceAll(/,1(?= )/g, '')
    t.equal(hunk(unifiedDiff('/x', text(before), text(after))), hunk(stdout), name)
  }
  t.equal(unifiedDiff('/x', 'a\n', 'a\n'), '', 'nothing for what stays')
  t.match(unifiedDiff('/x', null, 'a\n'), /^--- \/dev\/null\n\+\+\+ \/x\n@@ -0,0 \+1,1 @@\n\+a\n$/)
  t.end()
})
