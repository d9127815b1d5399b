/*
 * The vocabulary of the room: what a line of namespace.conf means, and what can be wrong with it.
 * Nothing here holds state or touches the machine.
 */

/** How the private directory comes to be; `dir` of a polyns file is read as `user`. */
export type Method = 'user' | 'level' | 'context' | 'tmpdir' | 'tmpfs'

/** Who shares one instance. `tmpdir` is fresh for each session whatever its scope says. */
export type Scope = 'user' | 'session' | 'job'

export type MountFlag = 'nosuid' | 'nodev' | 'noexec'

/** `strict` is polyns' own reading, `compat` accepts and refuses as pam_namespace does. */
export type Mode = 'strict' | 'compat'

/** A flag that pam_namespace has too, by its full name. */
export type PamFlag = 'create' | 'noinit' | 'shared' | 'iscript' | 'mntopts'

/** Users and groups through NSS; src/sys gives the real one, tests a table. */
export interface Names {
  userByName(name: string): { name: string; uid: number; gid: number; home: string } | null
  groupByName(name: string): { gid: number } | null
}

/** Field 4. Somebody is listed when a name, a range or a group matches. Both ends of a range belong to it. */
export interface UserList {
  /** `except`: the listed ones are exempt. `only`: nobody else is isolated. */
  mode: 'except' | 'only'
  /** The names that exist, as written; `uids` holds their uids in the same order. */
  names: string[]
  uids: number[]
  ranges: { min: number; max: number }[]
  groups: { name: string; gid: number }[]
}

/** One line that can be used, before `$USER` and `$HOME` are known. */
export interface Rule {
  file: string
  line: number
  polydir: string
  /** A plain string prefix: what names the instance is appended without a slash. */
  prefix: string
  method: Method
  scope: Scope
  /** Always in the order create, noinit, shared, iscript, mntopts; also those that have no effect. */
  flags: PamFlag[]
  /** `null` fields are defaults. In compat `mode` can have more than 12 bits: chmod(2) drops the rest. */
  create: { mode: number | null; owner: number | null; group: number | null } | null
  /** Absolute path, or null for the default script. With `noinit` in `flags` none runs. */
  iscript: string | null
  /** What is left for the tmpfs itself once the mount flags are taken out. */
  mntopts: string | null
  /** From the flags of those names and from `mntopts`, in the order nosuid, nodev, noexec. */
  mountFlags: MountFlag[]
  keep: string[]
  carry: string[]
  users: UserList
}

/** One finding. `line` and `column` count from 1, in characters; 0 means the whole file. */
export interface Problem {
  file: string
  line: number
  column: number
  severity: 'error' | 'warning'
  code: string
  message: string
  /** The line as it stands in the file, for the caret. Not in the JSON. */
  text: string | null
  /** What could stand there instead. Not in the JSON. */
  allowed: string | null
}

/** Everything that was read. It can be used when none of the problems is an error. */
export interface Config {
  /** The main file first, then the drop-ins in the order in which they count. */
  files: string[]
  mode: Mode
  rules: Rule[]
  problems: Problem[]
  /** The files that would have been read in place of the main one, had they been there. */
  absent?: readonly { file: string; mode: Mode }[]
}
