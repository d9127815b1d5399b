/*
 * The way into the kernel: binds syscall(2) once for each call used, gives -errno like the kernel does, and turns
 * that into a SyscallError. The trace hook sees every call.
 */
import { getSystemErrorMap } from 'node:util'
import { type SyscallName, syscallNumber } from './arch.js'
import { ERRNO } from './errno.js'
import { SyscallError } from './errors.js'
import { koffi, libc } from './koffi.js'
import { os } from './lazy.js'

/** How koffi passes an argument. `ptr` takes a Buffer, an address (bigint) or null. */
type Param = 'int' | 'long' | 'ulong' | 'ptr' | 'strings'
type Arg = number | bigint | Buffer | readonly (string | null)[] | null

const C_TYPES: Record<Param, string> = {
  int: 'int',
  long: 'long',
  ulong: 'unsigned long',
  ptr: 'void *',
  strings: 'str *',
}

/** Binds one syscall on its first use. The function returned gives the result, or -errno. */
export function bind(name: SyscallName, ...params: Param[]): (...args: Arg[]) => number {
  let bound: ((...args: unknown[]) => number | bigint) | undefined
  let number = 0
  return (...args) => {
    if (bound === undefined) {
      number = syscallNumber(name)
      bound = libc.func('syscall', 'long', ['long', ...params.map((p) => C_TYPES[p])])
    }
    const result = bound(number, ...args)
    // Anything done in between, a console.log even, may make errno read 0.
    return result === -1 ? -koffi.errno() : Number(result)
  }
}

/** What a call was, for the error and the trace. `show` writes the arguments; it runs only when somebody reads them. */
export interface Call {
  syscall: string
  show: () => string
  path?: string
  dest?: string
  /** What ENOSPC means of this call, where it is not about a disk. */
  noSpace?: string
}

let trace: ((line: string) => void) | undefined

/** Sends every call with its arguments and result to `sink`, as strace(1) would print it; undefined stops that. */
export function traceCalls(sink: ((line: string) => void) | undefined): void {
  trace = sink
}

/** Gives `rc` back, or throws what -errno says. @throws {SyscallError} */
export function check(rc: number, call: Call): number {
  if (trace) trace(`${call.syscall}(${call.show()}) = ${rc < 0 ? errnoName(-rc) : rc}`)
  if (rc >= 0) return rc
  throw syscallError(-rc, call)
}

/** As {@link check}, but null for this one errno: nothing is made of a failure that is no surprise. */
export function checkUnless(errno: number, rc: number, call: Call): number | null {
  if (rc !== -errno) return check(rc, call)
  if (trace) trace(`${call.syscall}(${call.show()}) = ${errnoName(errno)}`)
  return null
}

export function syscallError(errno: number, call: Call): SyscallError {
  const code = errnoName(errno)
  const text = (code === 'ENOSPC' && call.noSpace) || errnoText(errno)
  return new SyscallError({
    code,
    errno,
    syscall: call.syscall,
    message: `${call.syscall}(${call.show()}) = ${code} (${text})`,
    path: call.path,
    dest: call.dest,
  })
}

/** errno by name, `ENOENT`; a number without one is written `errno 599`. */
export function errnoName(errno: number): string {
  const known = getSystemErrorMap().get(-errno)
  if (known) return known[0]
  const entry = Object.entries(os().constants.errno).find(([, value]) => value === errno)
  return entry ? entry[0] : `errno ${errno}`
}

function errnoText(errno: number): string {
  return getSystemErrorMap().get(-errno)?.[1] ?? 'no text'
}

/**
 * Runs `fn`; a {@link SyscallError} out of it is thrown on with `intent` in front:
 * `bind '/nope' on '/tmp': mount(...) = ENOENT (no such file or directory)`.
 */
export function during<T>(intent: string, fn: () => T): T {
  try {
    return fn()
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error
    const { code, errno, syscall, path, dest } = error
    throw new SyscallError({ code, errno, syscall, path, dest, message: `${intent}: ${error.message}` })
  }
}

/** Runs `fn` and tolerates these errnos: undefined then. `because` is for the reader of the code. */
export function ignoring<T>(codes: readonly string[], because: string, fn: () => T): T | undefined {
  try {
    return fn()
  } catch (error) {
    if (error instanceof SyscallError && codes.includes(error.code)) {
      if (trace) trace(`ignored ${error.code}: ${because}`)
      return undefined
    }
    throw error
  }
}

type Noted = (call: string, on: string | Buffer | number) => void
let noted: Noted | undefined

/** Tells `sink` of each call that may hang, before it is made; undefined stops that. */
export function noteCalls(sink: Noted | undefined): void {
  noted = sink
}

/** Says what is about to be called, and on what: of all that reaches the kernel, the ways along which somebody may hang. */
export function note(...what: Parameters<Noted>): void {
  if (noted) noted(...what)
}

/** A path or string as the kernel takes it. A NUL inside would silently make it a shorter one, so it is refused. */
export function cstr(text: string | Buffer, syscall: string): Buffer {
  note(syscall, text)
  if (text.includes('\0')) {
    throw syscallError(ERRNO.EINVAL, {
      syscall,
      show: () => `${quote(text)}: a NUL byte cannot be in a path`,
      path: String(text),
    })
  }
  return typeof text === 'string' ? Buffer.from(`${text}\0`) : Buffer.concat([text, Buffer.of(0)])
}

/** A string as it stands in messages: quoted, and escaped so that a hostile name cannot forge output. */
export function quote(text: string | Buffer | null): string {
  return text === null ? 'null' : `'${escapeControls(text.toString().replace(/[\\']/g, '\\$&'))}'`
}

// Those of \p{Cc}, which takes a while to set up.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it looks for
const CONTROLS = /[\x00-\x1f\x7f-\x9f]/g

/** Writes control characters, line feed and escape among them, as `\x0a`. */
export function escapeControls(text: string): string {
  return text.replace(CONTROLS, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`)
}
