/*
 * The boot step, on the host: `/` shared, so that mounts reach the sessions; the polydirs and the instance parents private,
 * so that what is mounted there reaches nobody else. All of it or nothing: a failure takes back what this run did.
 * Looks at everything first, then plans, then acts; what a run changed is recorded as it goes, for `--undo`.
 */
import { statSync } from 'node:fs'
import { type Config, storeLastGood } from '../config/index.js'
import type { Mount } from '../mountinfo/parse.js'
import { readMounts } from '../mountinfo/read.js'
import { RUN_DIRECTORY } from '../ns/rundir.js'
import { bootId } from '../sys/clock.js'
import { SyscallError } from '../sys/errors.js'
import { UndoStack } from '../sys/undo.js'
import { applyStep } from './apply.js'
import { requireMachine } from './machine.js'
import { ensureParent, parentCommands } from './parents.js'
import {
  findParent,
  findPolydir,
  findShared,
  type ParentPlace,
  staticParents,
  staticPolydirs,
} from './places.js'
import { type MountStep, type Place, planMounts } from './plan.js'
import { type Change, isSameMount, readRecord, writeRecord } from './record.js'
import { dropStale, lockRuntime, makeDirectories } from './runtime.js'
import type { Step } from './step.js'
import { Undoing } from './undo.js'

export interface SetupOptions {
  config: Config
  /** Directories below which mounts shall spread. Absolute. */
  share: readonly string[]
  /** Leave the propagation of `/` as it is. */
  keepRoot: boolean
  dryRun: boolean
}

/**
 * Sets up the namespace that this process is in, which must be the host's. A second run changes nothing.
 * @throws {UnsafePathError} a directory that a user could have arranged
 * @throws {UnsupportedError} a chroot or a container, see {@link requireMachine}
 * @throws {SyscallError} ENOENT: the directory of an instance parent, or one to share, is missing. EPERM: not root
 */
export function setUp(options: SetupOptions): Step[] {
  const id = bootId()
  const wanted = lookAround(options) // before anything is made, so that a refusal leaves nothing behind
  const directories = makeDirectories(options)
  if (options.dryRun) return [...directories, ...dropStale(id, options), ...say(wanted, 'would')]

  using _lock = lockRuntime()
  const stale = dropStale(id, options)
  const { parents, mounts } = lookAround(options) // another run may just have ended
  using undo = new UndoStack()
  const before = readRecord(RUN_DIRECTORY, id)
  const changes = [...before]
  undo.push('put the record back', () => writeRecord(RUN_DIRECTORY, id, before))
  const keep = (change: Change) => {
    changes.push(change)
    writeRecord(RUN_DIRECTORY, id, changes)
  }
  for (const parent of parents.filter(needsWork)) {
    ensureParent(parent, undo)
    if (parent.isMissing) keep({ kind: 'parent', path: parent.path })
  }
  for (const step of mounts) {
    if (step.outcome === 'would') applyStep(step, undo, keep)
  }
  storeLastGood(options.config)
  undo.commit()
  return [...directories, ...stale, ...say({ parents, mounts }, 'done')]
}

/**
 * Takes back everything that setup did since the boot. What cannot be, because another mount is on top of it, stays in the
 * record for the next time.
 * @returns no step when nothing was set up
 * @throws {SyscallError} EPERM: not root
 */
export function takeBack(options: { dryRun: boolean }): Step[] {
  const id = bootId()
  // Not existsSync, which takes every failure for an absence.
  if (statSync(RUN_DIRECTORY, { throwIfNoEntry: false }) === undefined) return []
  if (options.dryRun) return undoAll(readRecord(RUN_DIRECTORY, id), () => {}, options)
  using _lock = lockRuntime()
  return undoAll(readRecord(RUN_DIRECTORY, id), (left) => writeRecord(RUN_DIRECTORY, id, left), options)
}

function undoAll(
  changes: readonly Change[],
  keep: (left: readonly Change[]) => void,
  options: { dryRun: boolean },
): Step[] {
  const undoing = new Undoing(changes, options)
  const steps: Step[] = []
  const left = [...changes]
  for (const change of [...changes].reverse()) {
    const taken = undoing.take(change)
    steps.push(...taken)
    if (taken.some(({ outcome }) => outcome === 'blocked')) continue
    left.splice(left.indexOf(change), 1)
    keep(left)
  }
  return steps
}

interface Wanted {
  parents: ParentPlace[]
  mounts: MountStep[]
}

/** What there is to do; nothing is changed. */
function lookAround({ config, share, keepRoot, dryRun }: SetupOptions): Wanted {
  const table = readMounts()
  if (!keepRoot) requireMachine(table)
  const polydirs = staticPolydirs(config.rules).map((path) => {
    return orUnseen(() => findPolydir(path), { path, real: null, note: UNSEEN }, dryRun)
  })
  const missing = polydirs.filter(({ real }) => real === null).map(({ path }) => path)
  const parents = staticParents(config.rules).map((path) => {
    const unseen = { path, real: null, note: UNSEEN, isMissing: false, faults: [] }
    return orUnseen(() => findParent(path, missing), unseen, dryRun)
  })
  const trees = share.map((path) => {
    return orUnseen(() => findShared(path), { path, real: null, note: UNSEEN }, dryRun)
  })
  const isOurs = madeBySetup()
  return { parents, mounts: planMounts(table, { polydirs, parents, share: trees, keepRoot, isOurs }) }
}

function madeBySetup(): (mount: Mount) => boolean {
  const bound = readRecord(RUN_DIRECTORY, bootId()).flatMap((change) =>
    change.kind === 'bound' ? [change.mount] : [],
  )
  return (mount) => bound.some((recorded) => isSameMount(mount, recorded))
}

const UNSEEN = 'cannot be looked at without root'

/** A dry run is for ordinary users too, and goes on without what they may not see. */
function orUnseen<T extends Place>(find: () => T, unseen: T, dryRun: boolean): T {
  try {
    return find()
  } catch (error) {
    if (dryRun && error instanceof SyscallError && error.code === 'EACCES') return unseen
    throw error
  }
}

function needsWork({ isMissing, faults }: ParentPlace): boolean {
  return isMissing || faults.length > 0
}

function say({ parents, mounts }: Wanted, outcome: 'would' | 'done'): Step[] {
  return [
    ...parents.flatMap((parent) => sayParent(parent, outcome)),
    ...mounts.map((step) => ({ ...step, outcome: step.outcome === 'would' ? outcome : step.outcome })),
  ]
}

function sayParent(parent: ParentPlace, outcome: 'would' | 'done'): Step[] {
  if (needsWork(parent)) return parentCommands(parent).map((command) => ({ outcome, command, note: '' }))
  const [command = ''] = parentCommands({ ...parent, isMissing: true })
  return [{ outcome: parent.real === null ? 'skipped' : 'already', command, note: parent.note }]
}
