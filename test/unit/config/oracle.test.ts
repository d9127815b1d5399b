/*
 * Differential test: pam_namespace's own parser was run on these lines, and compat must give the same verdict
 * and the same fields. The records lie beside the checkout and are not part of it.
 */
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { expandRequesterPolydir, expandRule, parseConfig, type Rule } from '../../../src/config/index.js'
import { alice, names, root } from './fixtures/names.js'

interface OracleRecord {
  line?: string
  rv?: number
  CRASH?: number
  dir?: string
  rdir?: string
  prefix?: string
  method?: string
  flags?: number
  create?: { mode: string; owner: number; group: number }
  iscript?: string
  mntopts?: string | null
  mntflags?: number
  uids?: number[]
}

const FLAG_BITS = { create: 2, noinit: 4, shared: 8, iscript: 16, mntopts: 32 }
const MOUNT_BITS = { nosuid: 2, nodev: 4, noexec: 8 }
const DEFAULT_MODE = '37777777777'

// tap runs the tests as they are; a build would put them elsewhere, and then the working directory is the checkout.
const checkouts = [fileURLToPath(new URL('../../..', import.meta.url)), process.cwd()]

for (const name of ['parse.jsonl', 'confs.jsonl']) {
  const file = checkouts.map((checkout) => resolve(checkout, '../shared/oracle', name)).find(existsSync)
  const skip = file === undefined ? `no ../shared/oracle/${name} beside the checkout` : false
  t.test(`every line of ${name} is read as pam_namespace reads it`, { skip }, (t) => {
    const lines = readFileSync(file ?? '', 'utf8').split('\n')
    const records: OracleRecord[] = lines.filter((line) => line.trim() !== '').map((line) => JSON.parse(line))
    for (const record of records) {
      if (record.line === undefined) continue
      t.strictSame(read(record.line), expected(record), JSON.stringify(record.line))
    }
    t.end()
  })
}

function read(text: string) {
  const { rules, problems } = parseConfig([{ file: 'f', text }], { mode: 'compat', names })
  const isRefused = problems.some(({ severity }) => severity === 'error')
  const [rule] = rules
  return rule === undefined || isRefused ? { accepted: !isRefused } : { accepted: true, ...fieldsOf(rule) }
}

function fieldsOf(rule: Rule) {
  const { polydir, prefix } = expandRule(rule, alice)
  const exclusive = rule.users.mode === 'only' ? 1 : 0
  return {
    dir: polydir,
    rdir: expandRequesterPolydir(rule, root),
    prefix,
    method: rule.method,
    flags: exclusive | rule.flags.reduce((bits, flag) => bits | FLAG_BITS[flag], 0),
    create: rule.create && {
      mode: rule.create.mode?.toString(8) ?? DEFAULT_MODE,
      owner: rule.create.owner ?? -1,
      group: rule.create.group ?? -1,
    },
    iscript: rule.iscript,
    mntopts: rule.mntopts,
    mntflags: rule.mountFlags.reduce((bits, flag) => bits | MOUNT_BITS[flag], 0),
    uids: rule.users.uids,
  }
}

function expected(record: OracleRecord) {
  const { dir, rdir, prefix, method, flags, create, iscript, mntopts, mntflags, uids } = record
  const accepted = record.rv === 0 && record.CRASH === undefined
  if (dir === undefined) return { accepted }
  return {
    accepted,
    ...{ dir, rdir, prefix, method, flags, uids },
    create: create ?? null,
    iscript: iscript ?? null,
    mntopts: mntopts ?? null,
    mntflags: mntflags ?? 0,
  }
}
