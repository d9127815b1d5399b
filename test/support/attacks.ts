/*
 * The attack list: what somebody tries, against polyns and against Debian's pam_namespace with the same configuration, by the
 * same PAM application (su). What comes of it is measured and held against the tables in docs/threat-model.md;
 * `UPDATE_DOCS=1 npx tap test/root/attacks-*.test.ts` writes what was measured into them.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { installPolyns, PAM_LINE } from './install.js'
import { plainStack } from './logins.js'
import type { Result } from './run.js'
import { Sandbox } from './sandbox.js'

export const DOCUMENT = new URL('../../docs/threat-model.md', import.meta.url)

export interface Attack {
  /** `P1`: the theme's letter and a number. */
  id: string
  /** What is done, in words for the table. */
  attack: string
  /** Does it. @returns what came of it; in capitals what should never be */
  tried: (stage: Stage) => Promise<string>
}

export type Product = 'polyns' | 'pam_namespace'
export const PRODUCTS: readonly Product[] = ['polyns', 'pam_namespace']

const CONFIG: Record<Product, string> = {
  polyns: '/etc/polyns/namespace.conf',
  pam_namespace: '/etc/security/namespace.conf',
}
const LINE: Record<Product, string> = {
  polyns: PAM_LINE,
  pam_namespace: 'session required pam_namespace.so',
}
/** What no session may change, in which users cannot write either. */
const CANARIES = 'find /etc /root /home/bob /srv/canary -xdev -printf "%p %y %m %U:%G %s %T@ %l\\n" | sort'

export interface Places {
  polydir: string
  instance: string
}
const TMP: Places = { polydir: '/tmp', instance: '/tmp/inst/alice' }

/** A machine with one of the two products. Attackers are alice (5001) and bob (5002); root's things lie in /srv/canary. */
export class Stage {
  /** Numbers for who reads the test's output. */
  readonly notes: string[] = []

  private constructor(
    readonly box: Sandbox,
    readonly product: Product,
  ) {}

  static async start(product: Product): Promise<Stage> {
    const box = await Sandbox.start({ leftovers: 'ignore' })
    if (product === 'polyns') await installPolyns(box)
    const stage = new Stage(box, product)
    await stage.setLine()
    await box.sh('mkdir -m 711 /srv/canary; echo secret >/srv/canary/file; chmod 600 /srv/canary/file')
    return stage
  }

  /** Puts the line into the stacks of su, of app, and of others. */
  async setLine(...others: string[]): Promise<void> {
    for (const service of ['su', 'app', ...others]) await this.box.pam(service, plainStack([this.line]))
  }

  async configure(text: string): Promise<void> {
    await this.box.write(CONFIG[this.product], text)
    // A last good configuration would be used in place of a broken one.
    await this.box.sh('rm -rf /run/polyns/last-good')
  }

  get config(): string {
    return CONFIG[this.product]
  }

  get line(): string {
    return LINE[this.product]
  }

  canaries(): Promise<string> {
    return this.sh(CANARIES)
  }

  sh(script: string): Promise<string> {
    return this.box.sh(script)
  }

  /** As alice or bob, outside of any session: how they come to be there, see docs/threat-model.md. */
  outside(user: string, script: string): Promise<Result> {
    return this.box.run(script, { user })
  }

  /** su to alice, from root's shell on the host. */
  su(script: string, options: { cwd?: string; before?: string } = {}): Promise<Result> {
    const { cwd = '/', before = '' } = options
    const timeoutMs = this.product === 'polyns' ? 30_000 : 5000
    const argv = ['bash', '-c', `${before}\nexec su -s /bin/bash alice -c "$1"`, '-', script]
    return this.box.run(argv, { cwd, timeoutMs })
  }

  /**
   * Has a session open, and looks which directory it has at the polydir.
   * @returns `private`, `refused`, or in capitals what came of it
   */
  async session({ polydir, instance }: Places = TMP): Promise<string> {
    const before = await this.canaries()
    const result = await this.su(`echo opened; stat -c "at %d:%i" ${polydir}`)
    if ((await this.canaries()) !== before) return 'ESCALATES'
    if (!result.stdout.includes('opened')) return notOpened(result)
    const seen = /^at .*$/m.exec(result.stdout)?.[0]
    const look = (path: string) => `stat -c "at %d:%i" ${path} || echo none`
    const [ours, hosts] = (await this.sh(`${look(instance)}; ${look(polydir)}`)).split('\n')
    return seen === ours ? 'private' : seen === hosts ? "HOST'S VIEW" : 'MISPLACED'
  }
}

export function notOpened(result: Result): string {
  if (result.timedOut) return 'HANGS'
  return result.signal !== null || (result.status ?? 0) > 128 ? 'CRASHES' : 'refused'
}

/** One of the words for each place; one word where it is the same for all. */
export function together(found: ReadonlyMap<string, string>): string {
  const places = new Map<string, string[]>()
  for (const [place, word] of found) places.set(word, [...(places.get(word) ?? []), place])
  if (places.size === 1) return [...places.keys()].join('')
  return [...places].map(([word, at]) => `${word} (${at.join(', ')})`).join('; ')
}

/**
 * Tries all of a theme on a machine of each product, and holds the outcomes against the theme's table in the document.
 * @param url import.meta.url of the test
 */
export async function tryAll(t: Test, theme: string, url: string, attacks: readonly Attack[]): Promise<void> {
  const file = basename(fileURLToPath(url))
  const outcomes = new Map<string, string>()
  await Promise.all(
    PRODUCTS.map(async (product) => {
      const stage = await Stage.start(product)
      await using _box = stage.box
      for (const { id, tried } of attacks)
        outcomes.set(`${id} ${product}`, await tried(stage).catch((error) => `DEFECT: ${error}`))
      for (const note of stage.notes) t.comment(note)
    }),
  )
  const of = (id: string, product: Product) => outcomes.get(`${id} ${product}`) ?? 'NOT TRIED'
  const rows = attacks.map(({ id, attack }) => ({
    id,
    attack,
    polyns: of(id, 'polyns'),
    theirs: of(id, 'pam_namespace'),
    test: file,
  }))
  const documented = tableIn(theme)
  for (const row of rows) {
    const line = lineOf(row)
    await t.test(`${row.id}: ${row.attack}`, async (t) => {
      t.notMatch(row.polyns, /\b[A-Z'’]{4,}\b/, 'does polyns no harm')
      if (process.env.UPDATE_DOCS !== '1') t.ok(documented.includes(line), `the document has: ${line}`)
    })
  }
  const table = [
    '| id | attack | polyns | pam_namespace | test |',
    '|---|---|---|---|---|',
    ...rows.map(lineOf),
  ]
  t.comment(`\n${table.join('\n')}`)
  if (process.env.UPDATE_DOCS === '1') writeTable(theme, table)
  else t.same(documented, table, 'and no other line')
}

function lineOf(row: { id: string; attack: string; polyns: string; theirs: string; test: string }): string {
  const cells = [row.id, row.attack, row.polyns, row.theirs, `\`${row.test}\``]
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
}

/** The first table below the heading of the theme. */
const pattern = (theme: string) => new RegExp(`(?<=^### ${theme}\n\n(?:[^#|\n].*\n|\n)*)(?:\\|.*\n)+`, 'm')

function tableIn(theme: string): string[] {
  return (pattern(theme).exec(readFileSync(DOCUMENT, 'utf8'))?.[0] ?? '').trimEnd().split('\n')
}

function writeTable(theme: string, table: readonly string[]): void {
  const text = readFileSync(DOCUMENT, 'utf8')
  if (!pattern(theme).test(text)) throw new Error(`the document has no heading '### ${theme}' with a table`)
  writeFileSync(
    DOCUMENT,
    text.replace(pattern(theme), () => `${table.join('\n')}\n`),
  )
}
