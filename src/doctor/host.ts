/*
 * What the checks look at, each thing read once and only when a check asks for it. The machine is looked at from the host's
 * namespace, whichever one doctor was started in.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { configForSession, type Names, type SessionConfig } from '../config/index.js'
import { readMounts } from '../mountinfo/read.js'
import type { MountTable } from '../mountinfo/table.js'
import { type Daemon, readDaemons } from './daemons.js'

export class Host {
  #mounts: MountTable | undefined
  #session: SessionConfig | undefined
  #daemons: readonly Daemon[] | undefined

  constructor(
    readonly names: Names,
    /** `--config`: read strictly in place of the default. */
    readonly configFile: string | undefined,
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

  /** The services that polyns is called from, as they run. */
  get daemons(): readonly Daemon[] {
    this.#daemons ??= readDaemons()
    return this.#daemons
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
}

function ifThere<T>(fn: () => T): T | null {
  try {
    return fn()
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EISDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return null
    throw error
  }
}
