/*
 * A Debian machine under qemu, seen from outside by ssh. It runs in a sandbox without network, and ends with it: qemu's
 * user-mode network hands port 2222 of the sandbox's loopback to the guest's sshd, and `restrict` keeps the guest off all else.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Result, type Running, show, sleep, within } from '../support/run.js'
import { Sandbox } from '../support/sandbox.js'
import { Held } from './held.js'
import { imageOf, KVM, qemuArgs, type Suite } from './qemu.js'

const checkout = fileURLToPath(new URL('../..', import.meta.url))

/** However the test hangs, qemu ends after this. */
const LIFE_MS = 75 * 60_000
const BOOT_MS = 600_000

const SSH_CONFIG = `Host *
HostName 127.0.0.1
Port 2222
IdentityFile /root/vm-key
UserKnownHostsFile /root/vm-hosts
StrictHostKeyChecking yes
CheckHostIP no
BatchMode yes
LogLevel ERROR
ConnectTimeout 60
ServerAliveInterval 15
ServerAliveCountMax 20
`

export interface Options {
  timeoutMs?: number
  input?: string
}

export class Machine {
  #boots = 0
  #master: Running | undefined
  readonly #times: string[] = []

  private constructor(
    private readonly box: Sandbox,
    private readonly qemu: Running,
    /** Where the artifacts are put: OUT/vm/SUITE. */
    readonly artifacts: string,
  ) {}

  /** Builds the image if the cache has none, and starts it. @throws {Error} with what qemu or the serial line said */
  static async boot(suite: Suite): Promise<Machine> {
    const artifacts = `${checkout}out/vm/${suite}`
    rmSync(artifacts, { recursive: true, force: true })
    mkdirSync(artifacts, { recursive: true })
    const image = imageOf(suite)
    process.env.POLYNS_LAYER_PACKAGES = fileURLToPath(new URL('packages.txt', import.meta.url))
    const box = await Sandbox.start({
      name: 'outside',
      sizeMb: 6000, // what the guest writes is kept in the sandbox's /var/tmp
      leftovers: 'ignore',
      beforePivot: KVM ? 'mknod -m 600 $R/dev/kvm c 10 232' : '',
    })
    const files = `/opt/polyns/${relative(checkout, image)}`
    await box.sh(`install -m 600 ${files}/id /root/vm-key; cp ${files}/known_hosts /root/vm-hosts`)
    await box.write('/root/.ssh/config', SSH_CONFIG)
    const qemu = box.spawn(['qemu-system-x86_64', ...qemuArgs(files)], { timeoutMs: LIFE_MS })
    const machine = new Machine(box, qemu, artifacts)
    try {
      await machine.time('boot', () => machine.#up())
    } catch (error) {
      await machine.stop()
      throw error
    }
    return machine
  }

  /** What a step took, for the list of times. */
  async time<T>(what: string, work: () => Promise<T>): Promise<T> {
    const start = Date.now()
    try {
      return await work()
    } finally {
      this.#times.push(`${((Date.now() - start) / 1000).toFixed(1).padStart(7)} s  ${what}`)
      writeFileSync(`${this.artifacts}/times.txt`, `${this.#times.join('\n')}\n`)
    }
  }

  /** A login of its own by ssh: runs the text, gives all that came of it. */
  as(user: string, script: string, options: Options = {}): Promise<Result> {
    return this.box.run(['ssh', `${user}@vm`, script], { timeoutMs: 300_000, ...options })
  }

  /** Shell text as root, over one session that stays open: no login of its own. */
  root(script: string, options: Options = {}): Promise<Result> {
    return this.box.run(['ssh', '-S', '/run/vm.ctl', 'root@vm', script], { timeoutMs: 300_000, ...options })
  }

  /** Like `root`, for what must succeed: gives stdout. @throws {Error} with both outputs */
  async sh(script: string, options: Options = {}): Promise<string> {
    const { status, stdout, stderr, timedOut } = await this.root(script, options)
    if (status === 0) return stdout
    throw new Error(
      `in the guest: status ${timedOut ? 'none in time' : status}\n${show([script], stdout, stderr)}`,
    )
  }

  /** A login that stays open, to be talked to. */
  hold(user: string): Promise<Held> {
    return Held.open(this.box, user)
  }

  /** Waits until a shell condition holds in the guest. @throws {Error} when it does not, with what `why` prints */
  async until(condition: string, { seconds = 60, why = 'true' } = {}): Promise<void> {
    const loop = `for i in $(seq ${seconds * 2}); do { ${condition}\n} >/dev/null 2>&1 && exit 0; sleep 0.5; done; exit 1`
    const { status } = await this.root(loop, { timeoutMs: (seconds + 60) * 1000 })
    if (status === 0) return
    const { stdout, stderr } = await this.root(why)
    throw new Error(`not so after ${seconds} s: ${condition}\n${stdout}${stderr}`)
  }

  /** Puts a file of the checkout, or one that `repack` gave, into the guest. */
  async copyIn(path: string, to: string): Promise<void> {
    const scp = ['scp', '-q', '-o', 'ControlPath=/run/vm.ctl', this.#inside(path), `root@vm:${to}`]
    await this.box.sh(scp, { timeoutMs: 300_000 })
  }

  /** The same package with another version. @returns its path, in the sandbox */
  async repack(deb: string, version: string): Promise<string> {
    await this.box.sh(
      `cd /var/tmp && dpkg-deb -R ${this.#inside(deb)} deb && sed -i 's/^Version:.*/Version: ${version}/' deb/DEBIAN/control &&
       dpkg-deb --root-owner-group -Znone -b deb newer.deb && rm -r deb`,
      { timeoutMs: 300_000 },
    )
    return '/var/tmp/newer.deb'
  }

  /** Where the sandbox has a file of the checkout. */
  #inside(path: string): string {
    return path.startsWith(checkout) ? `/opt/polyns/${relative(checkout, path)}` : path
  }

  /** Writes a file in the guest. */
  async write(path: string, text: string, mode = 0o644): Promise<void> {
    await this.sh(`mkdir -p "$(dirname ${path})" && cat >${path} && chmod ${mode.toString(8)} ${path}`, {
      input: text,
    })
  }

  async reboot(): Promise<void> {
    await this.#saveJournal('0', this.#boots) // should it not come up again
    await this.time('reboot', async () => {
      await this.root('systemctl reboot')
      await this.#disconnect()
      await this.#up()
    })
    await this.#saveJournal('-1', this.#boots - 1) // how it went down too
  }

  /** The journal of a boot, into the artifacts. */
  async #saveJournal(boot: '0' | '-1', number: number): Promise<void> {
    const { stdout } = await this.root(`journalctl -b ${boot} -o short-monotonic --no-pager`, {
      timeoutMs: 180_000,
    })
    if (stdout !== '') this.keep(`journal-${number}.txt`, stdout)
  }

  /** Keeps a text among the artifacts. */
  keep(name: string, text: string): void {
    writeFileSync(`${this.artifacts}/${name}`, text)
  }

  /** Saves what is to be saved, powers off, ends the sandbox. Never throws: it may be called because something else has. */
  async stop(): Promise<void> {
    try {
      if (this.#master) await this.#saveJournal('0', this.#boots)
      await this.time('power off', async () => {
        await this.root('systemctl poweroff', { timeoutMs: 30_000 })
        await within(90_000, this.qemu.exited)
      })
    } catch (error) {
      this.keep('stop-error.txt', `${error}\n`)
    }
    await this.#disconnect()
    this.#saveSerial()
    await this.box.stop().catch((error) => this.keep('stop-error.txt', `${error}\n`))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  /** Waits for the boot to be complete, and connects. */
  async #up(): Promise<void> {
    const wanted = this.#boots + 1
    const deadline = Date.now() + BOOT_MS
    const booted = () => (this.#fromBox('/run/vm.ready').match(/^ready /gm) ?? []).length
    while (booted() < wanted) {
      const ended = this.qemu.child.exitCode !== null
      const panic = /Kernel panic.*/.exec(this.#fromBox('/run/vm.serial'))?.[0]
      if (ended || panic || Date.now() > deadline) {
        this.#saveSerial()
        const why = ended ? `qemu ended: ${this.qemu.stderr}` : (panic ?? `no boot in ${BOOT_MS / 1000} s`)
        throw new Error(`${why}\n${this.#fromBox('/run/vm.serial').slice(-3000)}`)
      }
      await sleep(200)
    }
    this.#boots = wanted
    this.#master = this.box.spawn(['ssh', '-M', '-S', '/run/vm.ctl', '-N', 'root@vm'])
    for (let i = 0; i < 300; i++) {
      if ((await this.box.run(['ssh', '-S', '/run/vm.ctl', '-O', 'check', 'root@vm'])).status === 0) return
      if (this.#master.child.exitCode !== null) break
      await sleep(200)
    }
    throw new Error(`no ssh: ${this.#master.stderr}`)
  }

  async #disconnect(): Promise<void> {
    if (this.#master) await this.box.end(this.#master)
    this.#master = undefined
  }

  #saveSerial(): void {
    this.keep('serial.txt', this.#fromBox('/run/vm.serial'))
  }

  /** A file in the sandbox, by its pid 1. */
  #fromBox(path: string): string {
    const outside = `/proc/${this.box.host.pid1}/root${path}`
    return existsSync(outside) ? readFileSync(outside, 'utf8') : ''
  }
}
