/*
 * The face of the room. Parsing is pure; only files.ts and last-good.ts touch the machine. Read in this order:
 * types, words, method, users, paths, parse, whole, files, load, last-good.
 */
export { CODES, type ProblemCode } from './codes.js'
export { describeRule } from './describe.js'
export { type Candidate, DEFAULT_FILES } from './files.js'
export { configWithoutBadLines } from './ignore-errors.js'
export { configForSession, LAST_GOOD_DIRECTORY, type SessionConfig, storeLastGood } from './last-good.js'
export { type LoadOptions, loadConfig, loadNamed } from './load.js'
export { parseConfig, type Source } from './parse.js'
export { expandRequesterPolydir, expandRule, type Who } from './paths.js'
export { errorsOf, formatProblem, printable, requireUsable, show } from './problem.js'
export type {
  Config,
  Method,
  Mode,
  MountFlag,
  Names,
  PamFlag,
  Problem,
  Rule,
  Scope,
  UserList,
} from './types.js'
export { appliesTo } from './users.js'
