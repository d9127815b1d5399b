/*
 * What the checks look at, each thing read once and only when a check asks for it. The machine is looked at from the host's
 * namespace, whichever one doctor was started in.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { type Processes, scanProcesses } from '../cleanup/processes.js'
import { configForSession, type Names, type Rule, type SessionConfig } from '../config/index.js'
import { readMounts } from '../mountinfo/read.js'
import type { MountTable } from '../mountinfo/table.js'
import { ConfigError, ifThere, UnsafePathError } from '../sys/errors.js'
import { type Daemon, readDaemons } from './daemons.js'
import { PAM_DIRECTORIES, type PamStack, readOwnStack } from './pamstack.js'

export class Host {
  #mounts: MountTable | undefined
  #session: SessionConfig | undefined
  #daemons: readonly Daemon[] | undefined
  #processes: Processes | undefined
  #stacks: ReadonlyMap<string, PamStack> | undefined

  constructor(
    readonly names: Names,
    /** `--config`: read strictly in place of the default. */
    readonly configFile: string | undefined,
    /** Why the host's namespace could not be entered, and this is the view of whoever calls; null: it is the host's. */
    readonly denied: string | null = null,
  ) {}

  get mounts(): MountTable {
    this.#mounts ??= readMounts()
    return this.#mounts
  }

  /** What a login would use. @throws {ConfigError} it would be refused */
  get session(): SessionConfig {
    this.#session ??= configForSession({ names: this.names, config: this.configFile })
    return this.#session
  }

  /** The lines that a login would use; none where it would be refused, which the check `config` tells. */
  get rules(): readonly Rule[] {
    try {
      return this.session.config.rules
    } catch (error) {
      if (error instanceof ConfigError || error instanceof UnsafePathError) return []
      throw error
    }
  }

  /** The services that polyns is called from, as they run. */
  get daemons(): readonly Daemon[] {
    this.#daemons ??= readDaemons()
    return this.#daemons
  }

  /** All processes, and the mount namespaces they are in. */
  get processes(): Processes {
    this.#processes ??= scanProcesses()
    return this.#processes
  }

  /** The PAM stacks of services that have one of their own, by name. */
  get stacks(): ReadonlyMap<string, PamStack> {
    this.#stacks ??= this.#readStacks()
    return this.#stacks
  }

  get hasSystemd(): boolean {
    return this.list('/run/systemd/system') !== null
  }

  /** The text of a file; null: there is none. @throws another errno */
  read(path: string): string | null {
    return ifThere(() => readFileSync(path, 'utf8'))
  }

  /** The names in a directory, in byte order; null: there is none. @throws another errno */
  list(path: string): string[] | null {
    return ifThere(() => readdirSync(path).sort())
  }

  #readStacks(): Map<string, PamStack> {
    const names = new Set(PAM_DIRECTORIES.flatMap((directory) => this.list(directory) ?? []).sort())
    const texts = new Map<string, string | null>()
    const read = (path: string) => {
      const text = texts.has(path) ? (texts.get(path) ?? null) : this.read(path)
      texts.set(path, text)
      return text
    }
    return new Map(
      [...names].flatMap((name) => {
        const stack = readOwnStack(name, read)
        return stack === null ? [] : [[name, stack] as const]
      }),
    )
  }
}
