/*
 * The table in docs/callers.md: what each caller's session sees with polyns, and with Debian's pam_namespace and the same
 * configuration. Every cell is measured here, and the test fails where the document says something else.
 * `UPDATE_DOCS=1 npx tap test/root/callers.test.ts` writes what was measured into the document.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { installPolyns, PAM_LINE } from '../support/install.js'
import { plainStack } from '../support/logins.js'
import { needs } from '../support/needs.js'
import { Sandbox } from '../support/sandbox.js'
import { type Caller, Lookout, type Sight, type SwitchCommand, whoseIs } from './caller.js'
import { Shell } from './shell.js'

const skip = needs('root', 'layer', 'dist')

const DOCUMENT = new URL('../../docs/callers.md', import.meta.url)
const INSTANCES = '/tmp/inst'
const CONFIG = `/tmp ${INSTANCES}/ user:noinit root,carol\n`
/** Besides, at the end: a directory that the user could exchange while it is being mounted. */
const AT_HOME = `$HOME/private /var/inst/ user:noinit root,carol\n`

/** Whose stacks are Debian's. */
const SERVICES = ['sshd', 'login', 'cron', 'atd', 'su', 'sudo', 'sudo-i', 'runuser']

type Option = 'no option' | 'unmnt_remnt' | 'unmnt_only' | 'global'

/** One of the two that are compared. */
interface Product {
  config: string
  install(box: Sandbox): Promise<unknown>
  /** The PAM line; null: it has no such option. */
  line(option: Option): string | null
}

const polyns: Product = {
  config: '/etc/polyns/namespace.conf',
  install: (box) => installPolyns(box, CONFIG),
  line: (option) => (option === 'no option' ? PAM_LINE : `${PAM_LINE} --${option.replace('_', '-')}`),
}

const pamNamespace: Product = {
  config: '/etc/security/namespace.conf',
  async install(box) {
    await box.write(this.config, CONFIG)
    await box.sh(`mkdir -m 000 ${INSTANCES}`)
  },
  line(option) {
    if (option === 'global') return null
    return `session required pam_namespace.so${option === 'no option' ? '' : ` ${option}`}`
  },
}

/** What a line of the table has of one product: the directory, the namespace, the working directory, the process left. */
type Cells = readonly string[]
const NONE: Cells = ['-', '-', '-', '-']

interface Row {
  group: string
  caller: string
  cells: Cells
}

class Measurement {
  readonly #rows: Row[] = []

  private constructor(
    private readonly lookout: Lookout,
    private readonly product: Product,
    private alice: Shell,
  ) {}

  static async of(product: Product): Promise<readonly Row[]> {
    await using box = await Sandbox.start()
    await product.install(box)
    const line = product.line('no option') ?? ''
    const lookout = await Lookout.on(box)
    for (const service of SERVICES) await lookout.addLine(service, line)
    for (const service of ['crond', 'systemd-user']) await box.pam(service, plainStack([line]))
    await lookout.startSshd()
    for (const user of ['alice', 'bob']) await box.ssh(user, 'true') // makes the instances
    await lookout.mark('host', '/tmp')
    for (const user of ['alice', 'bob']) await lookout.mark(user, `${INSTANCES}/${user}`)

    const all = new Measurement(lookout, product, await Shell.open(box, 'alice'))
    await all.logins()
    for (const option of ['no option', 'unmnt_remnt', 'unmnt_only', 'global'] as const)
      await all.switches(option)
    for (const option of ['no option', 'unmnt_remnt', 'global'] as const) await all.daemons(option)
    await all.atHome()
    await all.alice.close()
    return all.#rows
  }

  private async logins(): Promise<void> {
    const { lookout } = this
    const again = 'alice is logged in by ssh, and comes again by'
    await this.row(again, 'ssh', lookout.ssh('alice'))
    await this.row(again, 'login', lookout.login('alice'))
    await this.row(again, 'cron (Debian)', lookout.cron('alice'))
    await this.row(again, 'crond (cronie)', lookout.app('crond', 'alice', { tty: 'cron' }))
    await this.row(again, 'at', lookout.at(this.alice))
    await this.row(again, 'systemd-user', lookout.app('systemd-user', 'alice'))
    const commands: [string, SwitchCommand][] = [
      ['su alice', (sees) => `su alice -c '${sees}'`],
      ['su - alice', (sees) => `su - alice -c '${sees}'`],
      ['runuser -u alice', (sees) => `runuser -u alice -- ${sees}`],
      ['sudo -u alice', (sees) => `sudo -u alice ${sees}`],
    ]
    for (const [name, command] of commands)
      await this.row('root on the host becomes alice by', name, lookout.fromHost(command))
    await this.row('carol, whom the rules exclude, comes by', 'ssh', lookout.ssh('carol'))
  }

  private async switches(option: Option): Promise<void> {
    const group = `alice becomes another user, ${option}`
    const has = await this.setOption(option)
    const commands: [string, SwitchCommand][] = [
      ['su bob', (sees) => `su bob -c '${sees}'`],
      ['su - bob', (sees) => `su - bob -c '${sees}'`],
      ['sudo -u bob', (sees) => `sudo -u bob ${sees}`],
      ['sudo', (sees) => `sudo ${sees}`],
      ['sudo -i', (sees) => `sudo -i ${sees}`],
    ]
    for (const [name, command] of commands)
      await this.row(group, name, has ? this.lookout.from(this.alice, command) : null)
  }

  /** Others log in by an sshd that alice started; then she logs out, and what does it see? */
  private async daemons(option: Option): Promise<void> {
    const { box } = this.lookout
    const group = `alice starts another sshd by sudo, ${option}`
    if (!(await this.setOption(option))) {
      for (const caller of ['that sshd itself', 'ssh bob', 'ssh carol']) await this.row(group, caller, null)
      return
    }
    const start = 'sudo /usr/sbin/sshd -p 2222 -o PidFile=/run/second.pid'
    const sshd = await this.lookout.daemon(this.alice, start)
    const itself = { user: 'root', whose: whoseIs('/tmp', sshd), cwd: '/', ns: sshd.mntNs, root: '' }
    const before = this.alice.mntNs
    const bob = await this.lookout.look(this.lookout.ssh('bob', '-p 2222'))
    const carol = await this.lookout.look(this.lookout.ssh('carol', '-p 2222'))
    await this.alice.close()
    this.push(group, 'that sshd itself', { ...itself, left: whoseIs('/tmp', sshd) }, before)
    this.push(group, 'ssh bob', bob, before)
    this.push(group, 'ssh carol', carol, before)
    await box.sh(`kill ${sshd.pid}`)
    this.alice = await Shell.open(box, 'alice')
  }

  private async atHome(): Promise<void> {
    const { box } = this.lookout
    const directory = '/home/alice/private'
    await this.alice.close()
    await box.write(this.product.config, CONFIG + AT_HOME)
    await box.sh(`install -d -o alice -g alice ${directory}; mkdir -m 000 /var/inst`)
    this.alice = await Shell.open(box, 'alice')
    await this.lookout.mark('host', directory)
    await this.lookout.mark('alice', '/var/inst/alice')
    const sight = await this.lookout.look(this.lookout.ssh('alice'), directory)
    this.push("alice's private directory is one in her home", 'ssh', sight, this.alice.mntNs)
  }

  private async setOption(option: Option): Promise<boolean> {
    const line = this.product.line(option)
    if (line === null) return false
    for (const service of ['su', 'sudo', 'sudo-i']) await this.lookout.addLine(service, line)
    return true
  }

  private async row(group: string, caller: string, by: Caller | null): Promise<void> {
    if (by === null) this.#rows.push({ group, caller, cells: NONE })
    else this.push(group, caller, await this.lookout.look(by), this.alice.mntNs)
  }

  private push(group: string, caller: string, sight: Sight, ofAlice: string): void {
    const isNested = sight.root.startsWith(`${INSTANCES}/alice/`)
    const whose = (name: string) =>
      name === sight.user ? 'own' : name === 'none' && isNested ? 'nested' : name
    const ns = sight.ns === this.lookout.box.host.mntNs ? 'host' : sight.ns === ofAlice ? 'ssh' : 'new'
    const cwd = /^\/(home|root)\b/.test(sight.cwd) ? 'home' : whose(sight.cwd)
    this.#rows.push({ group, caller, cells: [whose(sight.whose), ns, cwd, whose(sight.left)] })
  }
}

const WIDTH = 20

function tableOf(ours: readonly Row[], theirs: readonly Row[]): string {
  const line = (first: string, left: Cells, right: Cells) =>
    [first.padEnd(WIDTH), ...left.map(pad), ' ', ...right.map(pad)].join(' ').trimEnd()
  const pad = (cell: string) => cell.padEnd(6)
  const columns = ['/tmp', 'ns', 'cwd', 'left']
  const lines = [line('', ['polyns', '', '', ''], ['pam_namespace']), line('', columns, columns)]
  let group = ''
  for (const [i, row] of ours.entries()) {
    if (row.group !== group) lines.push('', row.group)
    group = row.group
    lines.push(line(`  ${row.caller}`, row.cells, theirs[i]?.cells ?? NONE))
  }
  return ['```text', ...lines, '```', ''].join('\n')
}

t.test('docs/callers.md has in its table what every caller’s session sees', { skip }, async (t) => {
  const [ours, theirs] = await Promise.all([Measurement.of(polyns), Measurement.of(pamNamespace)])
  const names = (rows: readonly Row[]) => rows.map(({ group, caller }) => `${group}: ${caller}`)
  t.same(names(theirs), names(ours), 'the same callers were measured')
  const measured = tableOf(ours, theirs)
  const text = readFileSync(DOCUMENT, 'utf8')
  const [table = '', ...others] = text.match(/^```text\n.*?^```\n/gms) ?? []
  t.same(others, [], 'there is one table')
  if (process.env.UPDATE_DOCS === '1')
    writeFileSync(
      DOCUMENT,
      text.replace(table, () => measured),
    )
  else t.equal(table, measured)
})
