/*
 * The kinds of error that polyns raises on purpose. Each maps once to an exit status, in cli/report.ts.
 * Everything else that is thrown is a defect of polyns itself.
 */

/** A kernel or libc call failed. Node's shape, so that code reading `err.code` works for both. */
export class SyscallError extends Error {
  override readonly name = 'SyscallError'
  /** errno by name, `ENOENT`. */
  readonly code: string
  /** Negative, as Node has it. */
  readonly errno: number
  readonly syscall: string
  readonly path: string | undefined
  readonly dest: string | undefined

  constructor(init: {
    code: string
    errno: number
    syscall: string
    message: string
    path?: string | undefined
    dest?: string | undefined
  }) {
    super(init.message)
    this.code = init.code
    this.errno = -Math.abs(init.errno)
    this.syscall = init.syscall
    this.path = init.path
    this.dest = init.dest
  }
}

/** A configuration line that cannot be used. `line` and `column` count from 1; 0 means the whole file. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  constructor(
    message: string,
    readonly file: string,
    readonly line: number,
    readonly column: number,
    options?: ErrorOptions,
  ) {
    super(message, options)
  }
}

/** A path, a name or an owner that an attacker could have arranged: polyns stops instead of going on. */
export class UnsafePathError extends Error {
  override readonly name = 'UnsafePathError'
  /**
   * @param component the path, or the part of it, that is unsafe
   * @param why what is wrong with it, and what to do
   */
  constructor(
    readonly component: string,
    readonly why: string,
    options?: ErrorOptions,
  ) {
    super(`${component}: ${why}`, options)
  }
}

/** The kernel, the machine or the rights lack something. */
export class UnsupportedError extends Error {
  override readonly name = 'UnsupportedError'
  /**
   * @param feature what was wanted
   * @param needs what it takes, or which setting takes it away
   */
  constructor(
    readonly feature: string,
    readonly needs: string,
    options?: ErrorOptions,
  ) {
    super(`${feature}: ${needs}`, options)
  }
}

/** A program of the administrator's that polyns runs, an init script, did not do its part. */
export class ScriptError extends Error {
  override readonly name = 'ScriptError'
}

/** The command line was wrong. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** What an error says; anything can be thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Runs `fn`, a read by node:fs; null where there is no such file. @throws another errno */
export function ifThere<T>(fn: () => T): T | null {
  try {
    return fn()
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EISDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return null
    throw error
  }
}
